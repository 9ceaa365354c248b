"""Two fleets on one broker: their servers do not throw each other out."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import oldkeys
import pace

from tools.keys import identities, pki
from tools.programs import runtimes
from tools.server.broker import free_port
from tools.testbed.served import Served

THROWN_OUT = "already connected, closing old connection"
FLEETS = ("one", "two")
RETURNS = 3

GENERAL = """\
user root
log_dest stderr
log_type notice
log_type error
allow_anonymous true
persistence true
persistence_location {folder}/
acl_file {folder}/acl
"""
# As an earlier release's own broker was set up: who somebody is stands in the certificate.
LISTENER = """\
listener {port} 127.0.0.1
cafile {folder}/trust.pem
certfile {keys}/broker.crt.pem
keyfile {keys}/broker.key.pem
require_certificate true
use_identity_as_username true
use_username_as_clientid true
"""


class Shared:
    """One mosquitto that trusts the servers of both fleets; each comes in where the broker's certificate is
    of its own. ports: by fleet."""

    def __init__(self, folder: Path, keys: dict[str, Path]) -> None:
        folder.mkdir()
        self.log = folder / "log"
        self._configuration = folder / "mosquitto.conf"
        self.ports = {name: free_port() for name in keys}
        (folder / "trust.pem").write_bytes(
            b"".join((one / "broker-ca.crt.pem").read_bytes() for one in keys.values())
        )
        (folder / "acl").write_text("pattern readwrite #\n")
        (folder / "acl").chmod(0o600)
        text = GENERAL.format(folder=folder)
        for name, one in keys.items():
            text += LISTENER.format(port=self.ports[name], folder=folder, keys=one)
        self._configuration.write_text(text)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with self.log.open("ab") as log:
            command = [*runtimes.mosquitto(), "-c", str(self._configuration)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(pace.HANG_S)


def _play(tmp_path: Path, make) -> str:
    """Both servers connect, and again after each return of the broker. Returns the broker's log."""
    keys = {name: tmp_path / name / "keys" for name in FLEETS}
    for folder in keys.values():
        make(folder)
    shared = Shared(tmp_path / "broker", keys)
    with contextlib.ExitStack() as stack:
        servers: list[Served] = []
        for returned in range(RETURNS):
            with shared.running():
                for name in FLEETS if not servers else ():
                    options = (f"--broker=mqtts://localhost:{shared.ports[name]}", f"--prefix={name}")
                    servers.append(
                        stack.enter_context(Served(tmp_path / name / "server", keys[name], *options))
                    )
                for one in servers:
                    for identity in ("ota-server", "ota-server-1"):
                        _wait_for(one, f"{identity}: connected", returned + 1)
    return shared.log.read_text()


def _wait_for(one: Served, word: str, count: int) -> None:
    pace.until(lambda: one.said().count(word) >= count, word)


def test_servers_of_two_fleets_let_each_other_be(tmp_path: Path) -> None:
    log = _play(tmp_path, lambda folder: pki.make_all(folder, []))
    assert THROWN_OUT not in log
    assert log.count("New client connected") == RETURNS * 2 * len(FLEETS)


def test_the_control_servers_of_one_name_throw_each_other_out(tmp_path: Path) -> None:
    assert THROWN_OUT in _play(tmp_path, lambda folder: oldkeys.make(folder, []))


def test_a_name_is_a_fleets_own_and_stays(tmp_path: Path) -> None:
    """An earlier release's stays until its authorities follow each other."""
    names = []
    for number in range(2):
        folder = tmp_path / str(number)
        pki.make_all(folder, [])
        names.append(identities.login(folder).client_id)
        pki.make_all(folder, [], next_ca=True)
        pki.make_all(folder, [], rotate_ca=True)
        assert identities.login(folder / "server").client_id == names[-1]
        assert identities.login(folder, "ota-server-1").client_id == f"{names[-1]}-1"
    assert names[0] != names[1] and all(len(name) == len("ota-server-") + 16 for name in names)
    old = tmp_path / "old"
    oldkeys.make(old, [])
    pki.make_all(old, [])
    assert identities.login(old).client_id == "ota-server"
    pki.make_all(old, [], rotate_ca=True)
    assert identities.login(old).client_id not in ("ota-server", *names)
