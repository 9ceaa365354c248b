"""The server's book-keeping, without network: what a push makes of what devices say, and do not say."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from fleetworld import LONG_S, SILENCE_S, A, B, C, World

from device import errors
from device.tries import IMAGE_FAULTS
from tools.__main__ import parse
from tools.commands import devices, push
from tools.errors import ToolError
from tools.image import images, signing
from tools.keys import certificates, keyfiles
from tools.server import pushes, states, view, wire
from tools.server.flood import BURST, Flood
from tools.server.store import REPORTS_KEPT, Store
from tools.server.targets import AFTER_BOOT_S, OFFERS, REBOOT_AFTER_S, RETRY_S


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_update_from_the_first_offer_to_the_last_word(world: World) -> None:
    number = world.push(A)
    seen = [world.state(A)]
    assert world.tick() == [A] and world.tick() == []
    seen.append(world.state(A))
    for percent in (0, 40, 100):
        world.say(A, progress=percent)
        seen.append(world.state(A))
    world.say(A, state="verified")
    seen.append(world.state(A))
    world.tick(REBOOT_AFTER_S + 1)
    seen.append(world.state(A))
    assert world.push_state(number) == states.RUNNING and not pushes.is_over(world.store, number)
    world.boot(A, "1.0.1", "UPDATE")
    seen.append(world.state(A))
    world.say(A, state="confirmed", version="1.0.1")
    world.tick()
    seen.append(world.state(A))
    assert seen == ["queued", "offered", *["downloading"] * 3, "verified", "rebooting", "trial", "confirmed"]
    assert world.push_state(number) == states.DONE
    assert pushes.is_over(world.store, number) and pushes.has_confirmed_all(world.store, number)


def test_a_question_is_answered_again_and_again_and_that_is_no_new_try(world: World) -> None:
    assert world.ask(A) is None
    world.push(A)
    answers = [world.ask(A) for _ in range(3 * OFFERS)]
    assert answers == [answers[0]] * (3 * OFFERS) and answers[0]["version"] == "1.0.1"
    assert world.tick() == []  # it has been offered
    world.confirm(A, "1.0.1")
    assert world.ask(A) == answers[0]  # to the board: nothing newer
    world.boot(A, "1.0.0")  # flashed by cable: that is for its owner to decide
    assert world.ask(A) is None


@pytest.mark.parametrize("code", sorted(states.FINAL_CODES))
def test_what_cannot_be_mended_is_not_offered_again(world: World, code: int) -> None:
    number = world.push(A)
    world.tick()
    world.say(A, errorCode=code, errorMsg="whatever")
    assert world.state(A) == "failed" and str(code) in world.error(A)
    assert world.ask(A) is None and world.tick(LONG_S) == []
    world.boot(A, "1.0.0")
    assert world.ask(A) is None and world.tick(LONG_S) == []
    assert world.push_state(number) == states.DONE and not pushes.has_confirmed_all(world.store, number)


def test_the_devices_own_list_of_bad_images_is_among_them() -> None:
    assert set(IMAGE_FAULTS) <= states.FINAL_CODES


def test_an_error_that_may_pass_is_tried_again_but_not_for_ever(world: World) -> None:
    world.push(A)
    offers = 0
    for _ in range(3 * OFFERS):
        offers += len(world.tick())
        world.say(A, errorCode=errors.CONNECTION_FAILED)
        assert world.tick(RETRY_S - 1) == []
        world.now += RETRY_S * 2**OFFERS
    assert offers == OFFERS and world.state(A) == "failed" and "Connection failed" in world.error(A)


def test_tries_are_counted_for_each_push(world: World) -> None:
    """By all ways, pushed, asked for and after boots, and the next push of the same image begins anew."""
    for _ in range(2):
        world.push(A)
        offers = 0
        for _ in range(3 * OFFERS):
            offers += len(world.tick()) + (world.ask(A) is not None)
            world.say(A, errorCode=errors.CONNECTION_FAILED)
            world.now += RETRY_S * 2**OFFERS
        assert offers == 2 * OFFERS and world.state(A) == "failed"  # each also asked for


def test_a_device_that_boots_again_and_again_is_given_up(world: World) -> None:
    world.push(A)
    offers = len(world.tick())
    for _ in range(3 * OFFERS):
        world.boot(A, "1.0.0")
        offers += len(world.tick(AFTER_BOOT_S + 1))
    assert offers == OFFERS and world.state(A) == "failed" and "in vain" in world.error(A)
    world.confirm(A, "1.0.1")
    assert world.state(A) == "confirmed"  # what it says counts more than what we believed


def test_after_a_boot_a_board_that_goes_on_by_itself_is_left_alone(world: World) -> None:
    world.push(A)
    world.tick()
    world.say(A, progress=50)
    world.boot(A, "1.0.0")
    assert world.tick() == []
    world.say(A, progress=60)
    assert world.tick(AFTER_BOOT_S + 1) == [] and world.state(A) == "downloading"


def test_rolled_back_says_why(world: World) -> None:
    world.push(A)
    world.tick()
    world.say(A, progress=100)
    world.boot(A, "1.0.0")
    world.say(A, errorCode=errors.ROLLED_BACK, errorMsg="Rolled back", version="1.0.1", cause="watchdog")
    world.say(A, errorCode=errors.REFUSED_IMAGE, errorMsg="Image failed before")
    assert world.state(A) == "rolled back"
    assert world.error(A) == f"Rolled back ({errors.ROLLED_BACK}): 1.0.1 watchdog"
    assert world.tick(LONG_S) == [] and world.ask(A) is None


def test_a_silent_device_is_offered_it_when_it_is_back(world: World) -> None:
    number = world.push(A, B)
    assert world.tick() == [A, B]
    world.confirm(B, "1.0.1")
    world.tick(SILENCE_S - 1)
    assert world.state(A) == "offered"
    world.tick(2)
    assert world.state(A) == "silent" and world.push_state(number) == states.DONE
    assert world.tick(LONG_S) == []
    world.boot(A, "1.0.0")
    assert world.tick(AFTER_BOOT_S + 1) == [A]
    world.confirm(A, "1.0.1")
    assert world.state(A) == "confirmed"


def test_who_asks_is_not_silent(world: World) -> None:
    world.push(A)
    world.tick()
    for _ in range(4):
        world.now += SILENCE_S / 2
        assert world.ask(A)
        world.fleet.flush("one", world.now)
        world.tick()
    assert world.state(A) == "offered"


def test_max_failures_stops_it(world: World) -> None:
    """A failure and a silence: the third device keeps what it has."""
    number = world.push(A, B, C, max_failures=2)
    world.store.db.execute("UPDATE targets SET due = due + ? WHERE mac = ?", (LONG_S, C))
    assert world.tick() == [A, B]
    world.say(A, errorCode=errors.SHA256_ECDSA)
    world.tick()
    assert world.push_state(number) == states.RUNNING
    world.tick(SILENCE_S + 1)
    assert world.push_state(number) == states.STOPPED
    assert world.tick(2 * LONG_S) == [] and world.ask(C) is None and world.state(C) == view.NOT_OFFERED
    summary = view.summary(view.push_of(world.store, number))
    assert "stopped (2 failed); 1 not offered, 1 failed, 1 silent" in summary


def test_a_stopped_push_waits_for_who_is_at_it(world: World) -> None:
    number = world.push(A, B, max_failures=2)
    world.tick()
    world.say(B, progress=10)
    world.store.db.execute("UPDATE pushes SET max_failures = 1")
    world.say(A, errorCode=errors.SHA256_ECDSA)
    world.tick()
    assert world.push_state(number) == states.STOPPED and not pushes.is_over(world.store, number)
    world.say(B, errorCode=errors.CONNECTION_FAILED)  # would be tried again, if the push went on
    assert world.state(B) == "failed" and pushes.is_over(world.store, number)


def test_cancel_takes_back_what_was_not_offered(world: World) -> None:
    number = world.push(A)
    assert pushes.cancel(world.store) == [number] and pushes.cancel(world.store) == []
    assert world.tick() == [] and world.ask(A) is None and pushes.is_over(world.store, number)
    assert not pushes.has_confirmed_all(world.store, number)


def test_at_goes_with_the_offer_and_is_no_silence(world: World) -> None:
    at = int(world.now) + 10 * SILENCE_S
    world.push(A, at=at)
    assert world.tick() == [A] and world.ask(A)["starts_at"] == at
    for _ in range(3 * OFFERS):  # boots while it waits are not tries
        world.boot(A, "1.0.0")
        assert world.tick(AFTER_BOOT_S + 1) == [A]
    world.now = at
    world.tick()
    assert world.state(A) == "offered"
    world.tick(SILENCE_S + 1)
    assert world.state(A) == "silent"


def test_jitter_spreads_them(world: World) -> None:
    world.push(A, B, C, jitter_s=1000)
    due = [row[0] for row in world.store.db.execute("SELECT due - changed FROM targets")]
    assert all(0 <= later <= 1000 for later in due) and len(set(due)) > 1
    number = world.store.db.execute("SELECT max(id) FROM pushes").fetchone()[0]
    pushes.cancel(world.store)
    assert number == world.push(A, B, C, jitter_s=1000, at=5000) - 1
    query = "SELECT starts_at FROM targets WHERE push > ?"
    starts = [row[0] for row in world.store.db.execute(query, (number,))]
    assert all(5000 <= start <= 6000 for start in starts) and len(set(starts)) > 1


def test_what_runs_already_counts_as_confirmed(world: World) -> None:
    world.boot(A, "1.0.1")
    number = world.push(A)
    assert world.tick() == [] and world.push_state(number) == states.DONE
    assert pushes.has_confirmed_all(world.store, number)


def test_errors_that_are_not_of_the_update_leave_it_alone(world: World) -> None:
    world.say(A, errorCode=errors.NO_CLOCK)
    world.push(A)
    world.say(A, errorCode=errors.SHA256_ECDSA)  # of an offer before ours
    assert world.state(A) == "queued"
    world.tick()
    world.say(A, errorCode=errors.NO_CLOCK)
    assert world.state(A) == "offered"


def test_the_next_leader_repeats_what_may_not_have_been_sent(world: World) -> None:
    world.push(A, B)
    assert world.tick() == [A, B]
    world.say(B, progress=10)
    for _ in range(3 * OFFERS):  # that servers die is no fault of the device
        world.leader.take_over(world.now)
        assert world.tick() == [A]
    assert world.state(B) == "downloading"


# What hostile devices say

NONSENSE = (
    b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 4000, b'{"data": 1}', b'{"data": {}}', b"9" * 4096,
    b'{"data": {"progress": 101}}', b'{"data": {"progress": true}}', b'{"data": {"progress": 1e2}}',
    b'{"data": {"progress": NaN}}', b'{"data": {"errorCode": %d}}' % -errors.SHA256_ECDSA,
    b'{"data": {"errorCode": "%d"}}' % errors.SHA256_ECDSA,
    b'{"data": {"errorCode": -1' + b"0" * 4000 + b"}}", b'{"data": {"state": "confirmed"}}',
    b'{"data": {"progress": 5}}' + b" " * wire.LONGEST,
)  # fmt: skip


@pytest.mark.parametrize("payload", NONSENSE, ids=range(len(NONSENSE)))
@pytest.mark.parametrize("name", [wire.REPORT, wire.PROGRESS])
def test_nonsense_moves_nothing(world: World, name: str, payload: bytes) -> None:
    world.push(A)
    world.tick()
    world.fleet.take(A, name, payload, world.now)
    assert world.state(A) == "offered" and world.error(A) == ""
    assert wire.question(payload) is None


def test_texts_are_cut_and_cleaned_before_anybody_sees_them(world: World) -> None:
    hostile = "\x1b[2J\r\n\u202e" + "x" * 500
    world.say(A, wire.REPORT, type="INIT", version=hostile, build_time=hostile, slot=[1], extra="y" * 2000)
    world.say(A, errorCode=errors.ROLLED_BACK, cause=hostile, version={"a": 1})
    told = [text for _, text in world.log]
    row = next(row for row in view.devices(world.store, world.now) if row["mac"] == A)
    for text in (*told, row["version"], row["build_time"], row["error"]):
        assert text.isprintable() and len(text) < 150
    assert row["slot"] == ""


def test_what_is_kept_of_a_device_is_bounded(world: World) -> None:
    for number in range(3 * REPORTS_KEPT):
        world.say(A, progress=number % 100, filler="z" * 20_000)
        world.say(B, progress=1)
    query = "SELECT mac, COUNT(*), MAX(LENGTH(data)) FROM reports GROUP BY mac"
    counts = world.store.db.execute(query).fetchall()
    assert [(mac, count) for mac, count, _ in counts] == [(A, REPORTS_KEPT), (B, REPORTS_KEPT)]
    assert max(length for *_, length in counts) <= wire.LONGEST
    assert len(pushes.all_devices(world.store)) == 3


@pytest.mark.parametrize(
    "topic", ["wm_iot/a/ota/get", f"wm_iot/{A}", f"x/{A}/ota/get", f"wm_iot/{A.lower()}/ota/get"]
)
def test_topics_of_no_device(topic: str) -> None:
    assert wire.split_topic("wm_iot", topic) is None


def test_a_device_in_a_loop_is_heard_now_and_then() -> None:
    flood = Flood()
    heard = sum(not flood.overflows(A, 1000 + number / 1000) for number in range(10_000))
    assert BURST <= heard <= BURST + 10 * 10 + 1
    assert not flood.overflows(B, 1005) and not flood.overflows(A, 1020)


# What operators see


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
