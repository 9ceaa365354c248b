"""Boards with a past: each has lived under one release, and remembers what the other one must not forget."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from device import errors
from tools.cli import configfile
from tools.errors import ToolError
from tools.keys import keyfiles
from tools.keys.rotation import SIGN, SIGN_NEXT
from tools.simboard.board import SimBoard
from tools.testbed.operator import Message, is_end
from tools.testbed.testbed import MAC, Testbed
from tools.torture.releases import TODAY, Images

FIRST, MIN_VERSION, REFUSED = "1.0.0", "1.0.1", "1.9.0"
LIMIT_S = 900  # only ends a hang
_EXPIRES = 4_000_000_000  # of signed offers, Unix s
_CONFIG = {"check_interval_s": 0, "backoff_max_s": 1, "checkpoint_kib": 16,
           "watchdog_s": 30, "retry_window_s": 3600}  # fmt: skip
_OF_TODAY = {"file_hosts": ["127.0.0.1", "localhost"], "refuse_s": 604800, "download_limit_s": 21600}
RESETS = "import machine\nmachine.reset()\n"
# What runs on the boards: it holds back the next boot of an image that has failed until another offer waits.
WAITS = """import gc
import os

gc.threshold(4096)
from device import agent, config

def may_start():
    if "failed_once" not in os.listdir():
        return True
    with open("ota_state.json") as file:
        return '"version": "1.0.5"' in file.read()

agent.Agent(config.load("ota.json"), may_start).run()
"""


class Wrong(Exception):
    """(outcome, what it is)"""


class SharedBoards:
    """What the cases share: images, the owner's keys, oldest first, and one board of each release."""

    def __init__(self, fixtures: Path, folder: Path) -> None:
        self.images = Images()
        self.folder = folder
        self.keys = [keyfiles.read_key(fixtures / "keys" / name) for name in (SIGN, SIGN_NEXT)]
        self.keys += [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
        self.refused: dict[str, dict] = {}  # by release: the offer whose image has failed there
        self._fixtures = fixtures
        self._lock = threading.Lock()

    def prepare(self, release: str) -> None:
        """The life of a board of this release before a case: the minimum version raised, a key followed by
        the next one, an image refused. All of it is done by that release. Raises Wrong or TimeoutError."""
        with self._lock:
            if release in self.refused:
                return
            shutil.copytree(self._fixtures / "keys", self.folder / release / "keys")
            with EarlierTestbed(self, release) as testbed:
                testbed.start()
                testbed.update(release, MIN_VERSION, key=1, main=WAITS)
                image = testbed.build(REFUSED, release=release, main=RESETS)
                offer = testbed.signed(image, REFUSED, key=1)
                testbed.push(offer)
                testbed.wait_error(errors.ROLLED_BACK, LIMIT_S)
                testbed.expect(offer, errors.REFUSED_IMAGE)  # so the trial is over, on record too
                testbed.board.cut_power()
                self.refused[release] = offer


class EarlierTestbed(Testbed):
    """A board of one release; case: the folder of a case, which begins with that board as it was left."""

    def __init__(
        self, shared: SharedBoards, release: str, case: Path | None = None, attempts: int = 1
    ) -> None:
        """attempts: how often an image is tried."""
        self.shared, self.release = shared, release
        self.operations = 0  # of the flash, until the case has ended
        self._is_copy = case is not None
        folder = case or shared.folder / release
        if case:
            shutil.copytree(shared.folder / release / "keys", folder / "keys")
        config = _CONFIG | (_OF_TODAY if release == TODAY else {}) | {"trial_attempts": attempts}
        super().__init__(folder, config=config, slot_size=0x20000)

    def build(  # type: ignore[override]
        self, version: str, release: str | None = None, main: str | None = None, brings: int | None = None
    ) -> bytes:
        """brings: number of the key that is to follow."""
        key = None if brings is None else keyfiles.public_bytes(self.shared.keys[brings])
        return self.shared.images.get(release or self.release, version, main, key)

    def _make_board(self) -> SimBoard:
        if not self._is_copy:
            return super()._make_board()
        shutil.copytree(self.shared.folder / self.release / "board", self.folder / "board")
        board = SimBoard(self.folder / "board")
        (board.folder / "fs" / "ota.json").write_bytes(configfile.dump(self.configuration()))
        board.provision("again", "ota.json")  # the servers have other ports
        board.use_ntp(None, self.ntp.port)
        return board

    def start(self) -> Message:
        """On; returns its first report."""
        since = len(self.operator.messages)
        self.board.power_on()
        return self.wait_report("INIT", LIMIT_S, since)

    def signed(self, image: bytes, version: str, key: int, **changes: Any) -> dict:
        """An offer that the owner has signed too, with the key of this number."""
        self.signing_key = self.shared.keys[key]
        return self.offer(image, version, expires=_EXPIRES, **changes)

    def update(self, release: str, version: str, key: int, brings: int | None = 2, main: str | None = None):
        """To an image of this release, until it is confirmed."""
        start = len(self.board.lines)
        since = len(self.operator.messages)
        self.push(self.signed(self.build(version, release, main, brings), version, key))
        self.wait_confirmed(version, start, since)

    def wait_confirmed(self, version: str, start: int, since: int) -> None:
        """start, since: of the console's lines and of the messages. Raises Wrong if the board reports an
        error."""
        message = self.operator.wait_for(is_end, LIMIT_S, since)
        if "errorCode" in message.data:
            raise Wrong("lost", f"instead of {version} it reports {message.data}")
        self.board.wait_for("confirmed " + version, LIMIT_S, start)

    def expect(self, offer: dict, code: int) -> None:
        """Push what must be refused. Raises Wrong where it is not, or for another reason."""
        since = len(self.operator.messages)
        self.push(offer)
        message = self.operator.wait_for(_is_answer, LIMIT_S, since)
        if message.data.get("errorCode") != code:
            raise Wrong("unverified", f"{offer['version']} is answered {message.data}, not {code}")

    def wait_until_it_runs(self, version: str) -> None:
        """Confirmed, whether or not the power let it say so. Raises TimeoutError."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline and not self.board.ended:
            reports = [m.data for m in self.operator.messages if m.name == "firmware/report"]
            is_reported = any(data["type"] == "INIT" and data["version"] == version for data in reports)
            if is_reported or any("confirmed " + version in line for line in self.board.lines):
                return
            time.sleep(0.05)
        raise TimeoutError(f"{version} is not confirmed; the console ends with {self.board.lines[-9:]}")

    def end(self) -> None:
        """The power goes, and no more happens to the board."""
        self.operator.offer_after_init(MAC, None)
        self.board.cut_power()
        self.operations = self.board.operations()
        self.board.inject([])

    def settle(self) -> None:
        """Until all is answered that was offered before, and kept by the broker while the power was off."""
        since = len(self.operator.messages)
        self.push(self.signed(self.build(FIRST), FIRST, 1))
        message = self.operator.wait_for(
            lambda m: m.data.get("errorCode") == errors.DOWNGRADE or "progress" in m.data, LIMIT_S, since
        )
        if "progress" in message.data:
            raise Wrong("unverified", f"{FIRST} is taken")

    def check_memory(self, current: int, min_version: str) -> None:
        """The board runs: what it refuses, what it takes, and what stands on record; then it is off.
        current: number of the key that counts; the next one follows it."""
        self.settle()
        image = self.build(FIRST)
        self.expect(self.shared.refused[self.release] | self._addresses(), errors.REFUSED_IMAGE)
        self.expect(self.signed(image, "1.8.0", current - 1), errors.OFFER_SIGNATURE)
        if current + 1 < len(self.shared.keys):
            start = len(self.board.lines)
            self.push(self.signed(image, "1.8.0", current + 1, upgrade_delay=int(time.time()) + 86400))
            self.board.wait_for("update waits until", LIMIT_S, start)
        self.board.cut_power()
        try:
            state = self.board.state()
        except (ToolError, ValueError) as error:
            raise Wrong("lost", f"the record: {error}") from None
        refused = self.shared.refused[self.release]["signed_offer"]["sha256"]
        if state["floor"] != min_version or refused not in [
            entry["digest"] for entry in state["refused"] or ()
        ]:
            raise Wrong(
                "lost", f"the record has minimum version {state['floor']} and refuses {state['refused']}"
            )

    def _addresses(self) -> dict:
        return {"https_url": self.files.https_url(f"firmware-{REFUSED}.img")}


def _is_answer(message: Message) -> bool:
    return "errorCode" in message.data or "progress" in message.data
