"""A board that waits, a real server and the commands of an operator: what is recalled is never fetched."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import steps

from tools.image import firmware, signing
from tools.keys import keyfiles, pki
from tools.programs import cache
from tools.server import imagestore, pushes, view
from tools.server.store import Store
from tools.testbed.served import Served

MAC = "286DCE320001"
LATER_S = 100_000
LIMIT_S = steps.PATIENCE_S


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    pki.make_all(tmp_path / "keys", [MAC])
    return tmp_path / "keys"


class Operator:
    """By the store, as `push` does it, and by the command itself where its words count."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self.store = Store(folder)
        self._keys = keys

    def push(self, version: str, **options) -> int:
        image = firmware.build_image(version, "esp32", "lamp")
        key = keyfiles.read_key(self._keys / "sign.key.pem")
        offer = signing.offer(image, key, version=version, for_push=True)
        digest = imagestore.add(self.store, image, offer, [keyfiles.public_bytes(key)])
        return pushes.start(self.store, digest, offer, [MAC], **options)

    def cancel(self, number: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tools", "push", str(self.store.folder), "--cancel", str(number)]
        return subprocess.run(command, cwd=cache.REPO, capture_output=True, text=True, timeout=LIMIT_S)

    def row(self) -> dict:
        return view.devices(self.store, time.time())[0]

    def wait_for(self, state: str) -> None:
        steps.until(lambda: self.row()["state"] == state, state, LIMIT_S)


@contextlib.contextmanager
def board(folder: Path, keys: Path, port: int) -> Iterator[Path]:
    """`simboard` as a process; its log."""
    config = {
        "wifi": [["home", "correct horse"]], "broker": f"mqtts://localhost:{port}", "board": "lamp",
        "ntp_hosts": ["127.0.0.1"], "check_interval_s": 2,
    }  # fmt: skip
    (folder / "ota.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "tools", "simboard", str(folder / "board"), "--config"]
    command += [str(folder / "ota.json"), "--certs", str(keys / "devices" / MAC)]
    log = folder / "board.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=cache.REPO, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(LIMIT_S)
        print(log.read_text(errors="replace")[-10_000:])  # shown if the test has failed


def test_a_cancel_and_a_new_push(tmp_path: Path, keys: Path) -> None:
    at = int(time.time()) + LATER_S
    with (
        Served(tmp_path / "server", keys) as served,
        board(tmp_path, keys, served.mqtt_port) as log,
    ):
        operator = Operator(tmp_path / "server", keys)
        operator.push("1.0.1", at=at)
        operator.wait_for("waiting")
        assert operator.row()["waits_until"] == at
        done = operator.cancel(1)
        assert (done.returncode, done.stdout.strip()) == (0, "cancelled push 1"), done
        steps.until(lambda: "offer of 1.0.1 is cancelled" in log.read_text(errors="replace"), "its log")
        assert operator.row()["state"] == "cancelled"

        operator.push("1.0.1", at=at)  # the same once more, and then another one instead
        operator.wait_for("waiting")
        operator.push("1.0.2")
        operator.wait_for("confirmed")
        assert pushes.has_confirmed_all(operator.store, 3) and operator.row()["version"] == "1.0.2"
        counts = [view.push_of(operator.store, number)["counts"] for number in (1, 2)]
        assert counts == [{"cancelled": 1}, {"cancelled": 1}]
        steps.until(lambda: "confirmed 1.0.2" in log.read_text(errors="replace"), "its log")
        assert "confirmed 1.0.1" not in log.read_text(errors="replace")
        (size,) = operator.store.db.execute("SELECT SUM(bytes) FROM targets WHERE push < 3").fetchone()
        assert size == 0  # nobody fetched it
