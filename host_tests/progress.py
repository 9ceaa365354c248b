"""A line that says how far a run on several cores is and what it is at: live in a terminal, else at times."""

from __future__ import annotations

import sys
import threading
import time

import pytest

LIVE_S, LOG_S = 1.0, 20.0
SHOWN = 2  # tests that run: those that have run longest
WIDTH = 110


class Progress:
    """A plugin of pytest instead of its dots. Each failure is named as it happens."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._started = time.monotonic()
        self._running: dict[str, float] = {}
        self._done = 0
        self._failed = 0
        self._end = threading.Event()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session
        self._writer = session.config.get_terminal_writer()
        threading.Thread(target=self._tell_all_along, daemon=True).start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running[nodeid] = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed += 1
            self._say(f"FAILED {report.nodeid} ({report.when})\n")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._running.pop(nodeid, None)
        self._done += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        return ("passed", "", "") if report.passed and report.when == "call" else None

    def pytest_sessionfinish(self) -> None:
        self._end.set()
        self._say("")

    def _tell_all_along(self) -> None:
        while not self._end.wait(LIVE_S if self._live else LOG_S):
            self._say(self._line() if self._live else self._line() + "\n")

    def _say(self, text: str) -> None:
        self._writer.write(f"\r\033[K{text}" if self._live else text, flush=True)

    def _line(self) -> str:
        now = time.monotonic()
        longest = sorted(self._running.copy().items(), key=lambda entry: entry[1])[:SHOWN]
        names = [f"{nodeid.rpartition('/')[2]} {now - since:.0f} s" for nodeid, since in longest]
        minutes, seconds = divmod(int(now - self._started), 60)
        count = self._session.testscollected
        line = f"{minutes}:{seconds:02} {self._done} of {count}, {self._failed} failed; at {', '.join(names)}"
        return line[:WIDTH]
