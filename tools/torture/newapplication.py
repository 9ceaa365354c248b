"""Plays broken applications on real boards: each must end with the old image and its cause at the server."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from device import errors
from tools.errors import ToolError
from tools.testbed import sampling
from tools.testbed.testbed import MAC, Testbed
from tools.torture import boards
from tools.torture.applications import APPLICATIONS, Application

NAME = "application"
TITLE = "the new application: broken in every way"
SAMPLE = 7  # a run plays one in so many
OLD, NEW = "1.0.0", "1.0.1"
LIMIT_S = 900  # only ends a hang
SLOT_SIZE = 0x20000
CONFIG = {"check_interval_s": 0, "backoff_max_s": 1, "trial_limit_s": 4, "watchdog_s": 4,
          "mqtt_timeout_s": 5, "subscribe_timeout_s": 2, "publish_timeout_s": 2}  # fmt: skip


def results(fixtures: Path, full: bool, jobs: int) -> Iterator[dict[str, Any]]:
    """The result of every case, in the order in which they end."""
    chosen = [name for at, name in enumerate(APPLICATIONS) if full or sampling.chosen(at, SAMPLE)]
    return boards.play_all(partial(play, fixtures=fixtures), chosen, jobs)


def play_one(identity: str, fixtures: Path, show: Callable[[str], None]) -> dict[str, Any]:
    name = identity.removeprefix(NAME + "/")
    if name not in APPLICATIONS:
        raise ToolError(f"no case {identity!r}")
    return play(name, fixtures, show)


def play(name: str, fixtures: Path, show: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    application = APPLICATIONS[name]
    attempts = 1 if application.lasts else 3
    config = CONFIG | application.config | {"trial_attempts": attempts}
    result = {"id": f"{NAME}/{name}", "outcome": "ok", "detail": "", "repeated": 0}
    with tempfile.TemporaryDirectory(prefix="ota-application-") as folder:
        shutil.copytree(fixtures / "keys", Path(folder) / "keys")
        with Testbed(Path(folder), config=config, slot_size=SLOT_SIZE) as testbed:
            testbed.board.on_line = show
            try:
                _live(testbed, application, attempts)
            except _Wrong as error:
                result |= {"outcome": error.args[0], "detail": error.args[1]}
            except TimeoutError as error:
                ended = testbed.board.ended or ""
                outcome = "bricked" if ended == "bricked" else "hung" if ended else "lost"
                result |= {"outcome": outcome, "detail": str(error)[-600:]}
    return result


def _live(testbed: Testbed, application: Application, attempts: int) -> None:
    testbed.board.power_on()
    testbed.wait_report("INIT", LIMIT_S)
    app = testbed.folder / "app"
    app.mkdir()
    (app / "main.py").write_text(application.source)
    testbed.push(testbed.offer(testbed.build(NEW, app), NEW))
    report = testbed.wait_error(errors.ROLLED_BACK, LIMIT_S).data
    if not any(cause in report["cause"] for cause in application.causes):
        raise _Wrong("silent", f"the cause is {report['cause']!r}")
    boots = _boots(testbed.board.lines)
    if not 0 < boots <= attempts:  # fewer where it has wiped the record of its trial
        raise _Wrong("wrong", f"{boots} boots of the new image")
    reports = [message.data for message in testbed.operator.messages if message.name == "firmware/report"]
    if any(data["version"] == NEW for data in reports):
        raise _Wrong("unverified", "the new image has reported itself")
    start, since = len(testbed.board.lines), len(testbed.operator.messages)
    testbed.board.cut_power()
    testbed.board.power_on()
    line = testbed.board.wait_for("boot: running slot", LIMIT_S, start)
    report = testbed.wait_report("INIT", LIMIT_S, since)
    if not line.endswith("ota_0") or report.mac != MAC:
        raise _Wrong("unverified", line)


def _boots(lines: list[str]) -> int:
    """Of the new image; waking from a deep sleep is not a boot."""
    starts = [at for at, line in enumerate(lines) if "boot: running slot ota_1" in line]
    return sum("deep sleep" not in lines[at - 1] for at in starts)


class _Wrong(Exception):
    """(outcome, what it is)"""
