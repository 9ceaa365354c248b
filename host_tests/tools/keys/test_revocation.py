"""`keys --revoke MAC`: the running server takes it up, the board's connection ends, and the others' come
back."""

from __future__ import annotations

import asyncio
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

import mqttboard
import oldkeys
import pace
import pytest
from cryptography import x509

from tools.__main__ import main
from tools.errors import ToolError
from tools.keys import keyfiles, pki, revocation
from tools.server.broker import Broker
from tools.server.denied import Denied
from tools.server.health import Health
from tools.server.keywatch import KeyWatch
from tools.server.supervision import Supervision
from tools.testbed.served import Served

MACS = [GOOD, STOLEN] = ["AABBCCDDEEFF", "112233445566"]
LIMIT_S = 60  # within which the connection of a revoked board ends


def _lists(folder: Path) -> list[x509.CertificateRevocationList]:
    return revocation.parse((folder / revocation.LISTS).read_bytes())


def test_a_running_server_ends_the_connection_of_a_stolen_board(keys: Path, served: Served, tmp_path, capsys):
    shutil.copytree(keys / "devices" / STOLEN, tmp_path / "devices" / STOLEN)
    port = served.mqtt_port
    with mqttboard.of(keys, GOOD, port) as good, mqttboard.of(tmp_path, STOLEN, port) as stolen:
        pace.until(lambda: good.connected and stolen.connected, "both are connected")
        assert main(["keys", str(keys), "--revoke", STOLEN]) == 0
        started = time.monotonic()
        pace.until(lambda: stolen.ended, "the connection of the revoked board ends")
        assert time.monotonic() - started < LIMIT_S * pace.slowness()
        pace.until(lambda: stolen.refused >= 2 and good.connected == 2, "one comes back, the other does not")
        assert stolen.connected == 1 and good.sessions == [False, True]
        assert {_asked_for(served, STOLEN), _asked_for(served, STOLEN.lower())} == {403}
        assert _asked_for(served, GOOD) == 404
        pace.until(lambda: "certificate revoked" in _devices(served, capsys), "`devices` shows it")
        assert main(["keys", str(keys), "--device", STOLEN]) == 0
        with mqttboard.of(keys, STOLEN, port) as again:
            pace.until(lambda: again.connected, "a new certificate is taken")
            assert stolen.connected == 1
        pace.until(lambda: "certificate revoked" not in _devices(served, capsys), "and no more is shown")
        pace.until(lambda: _asked_for(served, STOLEN) == 404, "the file port takes it again")


def _asked_for(served: Served, mac: str) -> int:
    """The status of an image that is not there, by the URL that this board was offered."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{served.images['http']}/{'0' * 64}.img?device={mac}", timeout=pace.HANG_S)
    return refused.value.code


def _devices(served: Served, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["devices", str(served.folder)]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_lists_never_run_out_and_never_begin_in_the_future(keys: Path) -> None:
    """Also where the clock goes back: an expired list, or one of tomorrow, would lock out every board."""
    (one,) = _lists(keys)
    ca = keyfiles.read_certificate(keys / "device-ca.crt.pem")
    assert one.next_update_utc.year == 9999
    assert ca.not_valid_before_utc < one.last_update_utc < ca.not_valid_before_utc + pki.certificates.DAY


def test_each_certificate_that_a_board_ever_had_is_revoked(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    pki.make_all(keys, [GOOD])
    serials = []
    for _ in range(3):
        serials.append(keyfiles.read_certificate(keys / "devices" / GOOD / "client.crt.der").serial_number)
        for name in ("client.crt.der", "client.key.der"):
            (keys / "devices" / GOOD / name).unlink()
        pki.make_all(keys, [GOOD])
    serials.append(keyfiles.read_certificate(keys / "devices" / GOOD / "client.crt.der").serial_number)
    pki.make_all(keys, [], revoke=[GOOD])
    (one,) = _lists(keys)
    assert {entry.serial_number for entry in one} == set(serials) and len(set(serials)) == 4
    assert revocation.revoked_devices(keys / "server") == {GOOD}
    pki.make_all(keys, [GOOD], next_key=True)
    assert {entry.serial_number for entry in _lists(keys)[0]} == set(serials)
    assert revocation.revoked_devices(keys / "server") == set()


def test_a_folder_that_is_just_being_copied_is_told_once_and_read_again(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    pki.make_all(keys, [GOOD])
    watch = KeyWatch(keys / "server")
    assert watch.look(True) is None
    shutil.copytree(keys / "server", tmp_path / "copy")
    pki.make_all(keys, [], ["new.example"], revoke=[GOOD])
    whole = (keys / "server" / "broker.key.pem").read_bytes()
    shutil.copy(tmp_path / "copy" / "broker.key.pem", keys / "server")  # of the old certificate
    change = watch.look(True)
    assert change and "broker.key.pem is not the key of" in change.text and not change.is_for_broker
    assert watch.look(True) is None
    (keys / "server" / "broker.key.pem").write_bytes(whole)
    change = watch.look(True)
    assert change and "starts anew" in change.text and change.is_for_broker and watch.revoked == {GOOD}
    assert watch.look(True) is None
    pki.make_all(keys, [STOLEN])
    assert watch.look(True) == ("other devices", False)
    pki.make_all(keys, [], next_ca=True)
    pki.make_all(keys, [], rotate_ca=True)
    change = watch.look(True)
    assert change and "start `serve` again" in change.text and not change.is_for_broker


def test_a_broker_that_does_not_start_anew_is_started_again(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    pki.make_all(keys, [GOOD])
    starts: list[int] = []
    said: list[str] = []

    class Starts(Broker):
        def start(self) -> None:
            starts.append(1)
            if len(starts) == 1:
                raise ToolError("mosquitto ended at once")

    broker = Starts(tmp_path / "broker", keys / "server")
    log = lambda _, text: said.append(text)  # noqa: E731
    supervision = Supervision(broker, Denied(tmp_path), Health(log), log)

    async def play() -> None:
        await supervision.restart()
        task = asyncio.create_task(supervision.run())
        while len(starts) < 2:
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(asyncio.wait_for(play(), pace.HANG_S))
    assert "mosquitto ended at once" in said[0]



def test_an_unknown_board_and_a_missing_key_are_named(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    pki.make_all(keys, [GOOD])
    before = {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()}
    with pytest.raises(ToolError, match=f"no certificate of {STOLEN}"):
        pki.make_all(keys, [], revoke=[STOLEN])
    assert {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()} == before
    (keys / "device-ca.key.pem").unlink()
    pki.make_all(keys, [GOOD])
    with pytest.raises(ToolError, match="lacks the private key of 'OTA device CA"):
        pki.make_all(keys, [], revoke=[GOOD])


def test_boards_of_an_authority_of_old_are_revoked_too(tmp_path: Path) -> None:
    """Two authorities of one name, as earlier releases made them: each has its list, and neither locks out
    the boards of the other."""
    keys, before = tmp_path / "keys", tmp_path / "before"
    oldkeys.make(keys, [GOOD, STOLEN])
    pki.make_all(keys, [], next_ca=True)
    shutil.copytree(keys / "devices", before / "devices")
    pki.make_all(keys, ["0123456789AB"], rotate_ca=True, revoke=[STOLEN])
    assert [len(list(one)) for one in _lists(keys)] == [0, 1]
    with (
        Broker(tmp_path / "broker", keys / "server") as broker,
        mqttboard.of(keys, GOOD, broker.port, before / "devices" / GOOD) as old,
        mqttboard.of(keys, "0123456789AB", broker.port) as new,
        mqttboard.of(before, STOLEN, broker.port) as stolen,
    ):
        pace.until(lambda: old.connected and new.connected and stolen.refused, "two are taken, one is not")
        assert not stolen.connected
