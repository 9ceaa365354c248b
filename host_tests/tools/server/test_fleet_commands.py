"""What operators type and see: tags, pushes, the table of devices."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from fleetworld import A, B, C, World

from device import errors
from tools.__main__ import parse
from tools.commands import devices, push
from tools.errors import ToolError
from tools.image import images, signing
from tools.keys import certificates, keyfiles
from tools.server import pushes, view
from tools.server.store import Store


def test_tags(world: World) -> None:
    pushes.set_tag(world.store, "lab", [A, C])
    pushes.set_tag(world.store, "lab", [C], on=False)
    assert pushes.tagged(world.store, "lab") == [A]
    with pytest.raises(ToolError, match="no device has the tag 'attic'"):
        pushes.tagged(world.store, "attic")
    with pytest.raises(ToolError, match="no device DDDDDDDDDDDD"):
        pushes.check(world.store, [A, "D" * 12])


def test_a_certificate_that_ends_is_told_in_time(world: World) -> None:
    day = 86400
    ends = {A: world.now + 89 * day, B: world.now + 91 * day, C: world.now - day}
    pushes.add_devices(world.store, ends)
    warnings = [row["warning"] for row in view.devices(world.store, world.now)]
    assert warnings[0].startswith("certificate expires 20") and warnings[1] == ""
    assert warnings[2].startswith("certificate expired 20")


def test_a_folder_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    store.db.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(ToolError, match="newer version"):
        Store(tmp_path)
    with pytest.raises(ToolError, match="not a server folder"):
        Store(tmp_path / "none")


def command(module, name: str, *arguments: object) -> int:
    return module.run(parse(module, name, list(map(str, arguments))))


def test_what_is_typed_becomes_a_push(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = certificates.new_key()
    world.store.set_fact("signing_keys", keyfiles.public_bytes(key))
    image = images.add_trailer(b"x" * 1000, "1.0.1", "lamp", "now")
    (tmp_path / "lamp.img").write_bytes(image)
    offer = signing.offer(image, key, version="1.0.1", http_url="http://elsewhere/x", upgrade_delay=5)
    (tmp_path / "lamp.json").write_text(json.dumps(offer))
    world.boot(C, "1.0.1")
    files = (tmp_path, tmp_path / "lamp.img", tmp_path / "lamp.json")
    assert command(push, "push", *files, "--device", C.lower(), "--at", "2100-01-01T00:00", "--jitter", "7",
                   "--max-failures", "2", "--silence", "9") == 0  # fmt: skip
    told = capsys.readouterr().out
    assert "1.0.1 to 1 device: done; 1 confirmed" in told and "not recallable" not in told
    row = world.store.db.execute("SELECT max_failures, silence_s, offer FROM pushes").fetchone()
    assert row[:2] == (2, 9.0) and set(json.loads(row[2])) == {"version", "size", "sig-sha256-ecdsa"}
    (starts_at,) = world.store.db.execute("SELECT starts_at FROM targets").fetchone()
    new_year = datetime.datetime(2100, 1, 1).timestamp()
    assert new_year <= starts_at <= new_year + 7
    world.push(A)
    assert command(push, "push", tmp_path, "--cancel") == 0
    assert "cancelled push 2" in capsys.readouterr().out
    world.boot(C, "1.0.1", state="")  # a board of before, which knows no cancel
    world.push(C, version="1.0.9", digest="e" * 64)
    assert world.tick() == [C]
    assert command(push, "push", *files, "--device", C) == 0
    assert f"may still install the image of the push that this one replaces: {C}" in capsys.readouterr().out
    for wrong, message in (
        (["--tag", "none"], "no device has the tag"), ([], "to which devices"),
        (["--device", "xyz"], "not a MAC"), (["--device", "D" * 12], "no device D"),
    ):  # fmt: skip
        with pytest.raises(ToolError, match=message):
            command(push, "push", *files, *wrong)
    (tmp_path / "lamp.json").write_text("[]")
    with pytest.raises(ToolError, match="is not an offer"):
        command(push, "push", *files, "--all")


def test_devices_in_a_table_and_for_programs(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.push(A)
    world.tick()
    world.say(A, errorCode=errors.SHA256_ECDSA)
    assert command(devices, "devices", tmp_path, "--tag", "lab", A, B) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "failed 1.0.1" in lines[1] and " lab " in lines[1]
    assert lines[2].strip() == f"Bad signature ({errors.SHA256_ECDSA})"
    assert "never" in lines[3]
    assert command(devices, "devices", tmp_path, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [device["tags"] for device in told["devices"]] == [["lab"], ["lab"], []]
    assert told["devices"][0]["state"] == "failed" and told["devices"][0]["code"] == errors.SHA256_ECDSA
    assert told["pushes"][0]["counts"] == {"failed": 1}
