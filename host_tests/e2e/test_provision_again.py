"""`provision`: never a new fleet unasked, never a setting lost, never a secret on the command line."""

from __future__ import annotations

import json

import pytest
from e2e.test_commands import tools

from tools.commands.provision import PASSWORD
from tools.realboard.session import Session
from tools.testbed.testbed import BOARD, MAC, WIFI

pytestmark = pytest.mark.sample(2)

OWN = {"require_signed_offer": True, "backoff_max_s": 7, "file_hosts": ["127.0.0.1"]}


def _config(testbed) -> dict:
    return json.loads((testbed.keys / "devices" / MAC / "ota.json").read_text())


def _do_on_board(testbed, code: str) -> None:
    with Session(testbed.board.url) as board:
        board.run(f"import os\n{code}")


def test_a_mistyped_folder_makes_no_fleet(make_unprovisioned):
    """The board stays as it is, and so does the disk."""
    testbed = make_unprovisioned()
    testbed.provision()
    typo = testbed.folder / "kyes"
    settings = [str(typo) if word == str(testbed.keys) else word for word in testbed.settings()]
    shown = tools("provision", testbed.board.url, *settings, code=1)
    assert shown.strip().endswith(
        f"{typo} holds no keys of a fleet: correct --keys, or make one with --new-fleet"
    )
    assert "Traceback" not in shown and not typo.exists()
    testbed.wait_report("INIT")
    before = (testbed.keys / "broker-ca.crt.pem").read_bytes()
    tools("provision", testbed.board.url, *settings, "--new-fleet")
    assert (typo / "broker-ca.crt.pem").exists() and (
        testbed.keys / "broker-ca.crt.pem"
    ).read_bytes() == before


def test_a_second_time_keeps_what_is_not_said_anew(make_unprovisioned, tmp_path):
    """From the board; where that has lost it, from what was kept here."""
    testbed = make_unprovisioned()
    testbed.provision()
    changed = _config(testbed) | OWN
    path = tmp_path / "ota.json"
    path.write_text(json.dumps(changed))
    testbed.deploy("--config", path)
    command = ("provision", testbed.board.url, "--keys", testbed.keys)
    assert "require_signed_offer" in tools(*command, "--board", "lantern")
    expected = changed | {"board": "lantern", "format": 2}
    assert _config(testbed) == expected
    _do_on_board(testbed, "open('ota.json', 'w').write('{')")
    tools(*command)
    assert _config(testbed) == expected
    _do_on_board(testbed, "os.remove('ota.json')")
    assert "require_signed_offer" in tools(*command, "--board", BOARD)
    assert _config(testbed) == expected | {"board": BOARD}


def test_the_private_key_may_be_deleted_here(make_unprovisioned):
    """The board has it. Where that has lost it too, its name is said, and the way to a new certificate."""
    testbed = make_unprovisioned()
    testbed.provision()
    folder = testbed.keys / "devices" / MAC
    (folder / "client.key.der").unlink()
    first = (folder / "client.crt.der").read_bytes()
    seen = len(testbed.operator.messages)
    testbed.provision()
    assert not (folder / "client.key.der").exists() and (folder / "client.crt.der").read_bytes() == first
    testbed.wait_report("INIT", since=seen)
    _do_on_board(testbed, "os.remove('certs/client.key.der')")
    shown = testbed.provision(code=1)
    assert f"{folder}/client.key.der is missing, and the board does not have it" in " ".join(shown.split())
    (folder / "client.crt.der").unlink()
    seen = len(testbed.operator.messages)
    testbed.provision()
    assert (folder / "client.crt.der").read_bytes() != first
    testbed.wait_report("INIT", since=seen)


def test_the_password_comes_from_the_environment_or_the_input(make_unprovisioned, monkeypatch):
    testbed = make_unprovisioned()
    settings = testbed.settings()
    settings.remove(WIFI[1])
    shown = tools("provision", testbed.board.url, *settings, code=1)
    assert f"Password of Wi-Fi '{WIFI[0]}': no answer" in shown
    monkeypatch.setenv(PASSWORD, WIFI[1])
    assert WIFI[1] not in tools("provision", testbed.board.url, *settings)
    testbed.wait_report("INIT")
    monkeypatch.delenv(PASSWORD)
    tools("provision", testbed.board.url, *settings)
    assert _config(testbed)["wifi"] == [list(WIFI)]
