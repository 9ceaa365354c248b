"""The sample with real boards: processes of 32-bit MicroPython that are killed, real mosquitto, real TLS."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tools.errors import ToolError
from tools.image import firmware
from tools.testbed import sampling
from tools.testbed.operator import is_end
from tools.testbed.testbed import BOARD, MAC, Testbed
from tools.torture import boards
from tools.torture.realcases import CONFIG, RealCase, make_cases

NAME = "real"
TITLE = "real boards: processes killed, real broker, TLS"
SAMPLE = 13  # a run plays one in so many; a prime, or kinds that take turns would be missed
OLD, NEW = "1.0.0", "1.0.1"
LIMIT_S = 900  # for one phase of a case; only ends a hang
PUSHES = 6
SLOT_SIZE = 0x20000


def results(fixtures: Path, full: bool, jobs: int) -> Iterator[dict[str, Any]]:
    """The result of every case, in the order in which they end."""
    images = _Images()
    cases = [
        case for at, case in enumerate(_cases(fixtures, images)) if full or sampling.chosen(at, SAMPLE)
    ]
    return boards.play_all(partial(_play, fixtures=fixtures, images=images), cases, jobs)


def play_one(identity: str, fixtures: Path, show: Callable[[str], None]) -> dict[str, Any]:
    images = _Images()
    for case in _cases(fixtures, images):
        if case.id == identity:
            return _play(case, fixtures, images, show)
    raise ToolError(f"no case {identity!r}")


def _cases(fixtures: Path, images: _Images) -> list[RealCase]:
    """An undisturbed update tells how many operations there are to be disturbed."""
    result = _play(RealCase("real/none"), fixtures, images)
    if result["outcome"] != "ok":
        raise ToolError(f"the undisturbed update fails: {result['detail']}")
    return make_cases(result["operations"])


class _Images:
    """Built once: boards differ in what happens to them."""

    def __init__(self) -> None:
        self._built: dict[tuple, bytes] = {}

    def get(self, kind: str, version: str, main: str | None) -> bytes:
        key = (kind, version, main)
        if key not in self._built:
            with tempfile.TemporaryDirectory() as folder:
                app = None
                if main is not None:
                    app = Path(folder)
                    (app / "main.py").write_text(main)
                self._built[key] = firmware.build_image(version, kind, BOARD, app=app)
        return self._built[key]


class _Testbed(Testbed):
    def __init__(self, folder: Path, images: _Images, case: RealCase) -> None:
        kind = "wm" if case.boot_mode == "w80x" else "esp32"
        super().__init__(
            folder, image=kind, boot_mode=case.boot_mode, config=CONFIG | case.config, proxies=True,
            slot_size=SLOT_SIZE,
        )  # fmt: skip
        self._images = images

    def build(self, version: str, app: Path | None = None, main: str | None = None) -> bytes:
        return self._images.get(self.image, version, main)


def _play(
    case: RealCase, fixtures: Path, images: _Images, show: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="ota-real-") as folder:
        shutil.copytree(fixtures / "keys", Path(folder) / "keys")
        with _Testbed(Path(folder), images, case) as testbed:
            testbed.board.on_line = show
            return _Trial(case, testbed).run()


class _Trial:
    """One case on one testbed."""

    def __init__(self, case: RealCase, testbed: _Testbed) -> None:
        self.case = case
        self.testbed = testbed
        self.image = testbed.build(NEW, main=case.main)
        self.operations = 0

    def run(self) -> dict[str, Any]:
        outcome, detail = "ok", ""
        try:
            self._live()
        except (TimeoutError, AssertionError) as error:
            ended = self.testbed.board.ended or ""
            outcome = "bricked" if ended == "bricked" else "hung" if ended else "lost"
            detail = str(error)[-600:]
        except _Unverified as error:
            outcome, detail = "unverified", str(error)
        except _Unreported as error:
            outcome, detail = "silent", str(error)
        sent = sum(request.sent for request in self.testbed.files.requests)
        return {
            "id": self.case.id, "outcome": outcome, "detail": detail, "operations": self.operations,
            "repeated": max(0, sent - len(self.image)),
        }  # fmt: skip

    def _live(self) -> None:
        case, testbed = self.case, self.testbed
        offer = testbed.offer(self.image, NEW, case.transport)
        testbed.operator.offer_after_init(MAC, offer)
        testbed.board.inject(case.faults, case.wifi_drops)
        case.before(testbed)
        testbed.board.power_on()
        case.during(testbed)
        if case.expect == "new":
            self._wait_for_update(offer)
        else:
            testbed.wait_error(case.code, LIMIT_S)
            time.sleep(0.3)  # for what follows a report
        if case.code is not None and case.code not in self._codes():
            raise _Unreported(f"{case.code} was not reported, but {self._codes()}")
        testbed.board.cut_power()
        self.operations = testbed.board.operations()
        self._check_what_stays()

    def _codes(self) -> list[int]:
        return [m.data["errorCode"] for m in self.testbed.operator.messages if "errorCode" in m.data]

    def _wait_for_update(self, offer: dict) -> None:
        """Until the new image has confirmed; after an error the operator offers it again, but not at once:
        a board whose file system met bad flash takes nothing before its restart."""
        operator = self.testbed.operator
        since = 0
        for number in range(PUSHES):
            operator.wait_for(is_end, LIMIT_S, since)
            time.sleep(0.5 * 2**number)
            if any(message.data.get("type") == "UPDATE" for message in operator.messages):
                operator.wait_for(_is_confirmed, LIMIT_S)
                return
            since = len(operator.messages)
            self.testbed.push(offer)
        raise TimeoutError(f"offered {PUSHES} times in vain: {self._codes()}")

    def _check_what_stays(self) -> None:
        """The power returns: which image boots, and is it whole?"""
        testbed, expects_new = self.testbed, self.case.expect == "new"
        testbed.operator.offer_after_init(MAC, None)
        testbed.board.inject([])
        start = len(testbed.board.lines)
        since = len(testbed.operator.messages)
        testbed.board.power_on()
        line = testbed.board.wait_for("boot: running slot", LIMIT_S, start)
        image = self.image if expects_new else testbed.build(OLD)
        if testbed.board.slot(line.split()[-1], len(image)) != image:
            raise _Unverified(line + ", which does not hold the image expected")
        wanted = NEW if expects_new else OLD
        report = testbed.operator.wait_for(lambda m: m.name == "firmware/report", LIMIT_S, since)
        assert report.data["version"] == wanted, f"it reports {report.data}"


def _is_confirmed(message: Any) -> bool:
    return message.data == {"state": "confirmed", "version": NEW}


class _Unverified(Exception):
    pass


class _Unreported(Exception):
    pass
