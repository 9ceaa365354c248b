"""What devices say and ask: reports move their part in a push on, a `get` gets its offer.

Any number of servers may answer; only the leader (see service.py) takes reports.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from device import errors
from tools.server import wire
from tools.server.states import (
    CONFIRMED,
    DONE,
    DOWNLOADING,
    FAILED,
    FINAL_CODES,
    REBOOTING,
    ROLLED_BACK,
    RUNNING,
    SILENT,
    UNDER_WAY,
    VERIFIED,
    words,
)  # fmt: skip
from tools.server.store import REPORTS_KEPT, Store
from tools.server.targets import Targets


class Fleet:
    """word_offer(row of Targets.latest) -> the JSON text of an offer; tell(mac, text): for the log."""

    def __init__(
        self, store: Store, word_offer: Callable[[sqlite3.Row], str], tell: Callable[[str, str], None]
    ) -> None:
        self._store = store
        self._targets = Targets(store, tell)
        self._word_offer = word_offer
        self._tell = tell
        self._asked: dict[str, tuple[float, int]] = {}  # since the last flush: when last, how often
        self._answered = 0

    # Questions

    def answer(self, mac: str, now: float, confirmed: str = "") -> str | None:
        """The offer for a `get`, the same to the same question; None where nothing is to be offered.
        confirmed: the version that the board names as good."""
        self._asked[mac] = (now, self._asked.get(mac, (0, 0))[1] + 1)
        target = self._targets.latest(mac)
        if target is not None and target["version"] == confirmed and _is_open(target):  # a report was lost
            with self._store.transaction():
                self._targets.settle(target, CONFIRMED, now)
            target = self._targets.latest(mac)
        if target is None or not self._may_answer(target, now):
            return None
        self._answered += 1
        return self._word_offer(target)

    def _may_answer(self, target: sqlite3.Row, now: float) -> bool:
        if target["state"] == CONFIRMED:
            return target["running"] == target["version"]  # to the board: nothing newer
        if target["push_state"] not in (RUNNING, DONE) or target["state"] in (FAILED, ROLLED_BACK):
            return False
        if target["state"] in UNDER_WAY:
            return True
        if target["due"] > now:
            return False
        with self._store.transaction():
            return self._targets.begin_try(target, now)

    def flush(self, server: str, now: float) -> None:
        """Write down who asked, once a second rather than at each `get`."""
        rows = [(mac, seen, count) for mac, (seen, count) in self._asked.items()]
        with self._store.transaction() as db:
            db.executemany(
                "INSERT INTO devices (mac, seen, gets) VALUES (?, ?, ?) ON CONFLICT (mac) DO UPDATE SET"
                " seen = max(ifnull(seen, 0), excluded.seen), gets = gets + excluded.gets",
                rows,
            )
            db.execute(
                "INSERT INTO servers VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                " seen = excluded.seen, answered = answered + excluded.answered",
                (server, now, self._answered),
            )
        self._asked.clear()
        self._answered = 0

    # Reports

    def take(self, mac: str, name: str, payload: bytes, now: float) -> None:
        """Anything a device may have sent as a report."""
        report = wire.report(name, payload)
        with self._store.transaction() as db:
            self._keep(db, mac, name, payload, now)
            target = self._targets.latest(mac)
            if report is None:
                self._tell(mac, "no report: " + wire.clean(payload[:64].decode(errors="replace")))
            elif report.kind == "started":
                self._started(db, mac, report, target, now)
            elif report.kind == "confirmed":
                if target is not None and report.version == target["version"]:
                    self._targets.settle(target, CONFIRMED, now)
            elif report.kind == "error":
                self._failed(db, mac, report, target, now)
            elif target is not None and _is_open(target):
                state = VERIFIED if report.kind == "verified" else DOWNLOADING
                self._targets.set(target, state, now, progress=report.progress)
                self._tell(mac, f"{state} {report.progress} %")

    @staticmethod
    def _keep(db: sqlite3.Connection, mac: str, name: str, payload: bytes, now: float) -> None:
        text = payload[: wire.LONGEST].decode(errors="replace")
        (number,) = db.execute(
            "INSERT INTO devices (mac, seen, reports) VALUES (?, ?, 1) ON CONFLICT (mac)"
            " DO UPDATE SET seen = excluded.seen, reports = reports + 1 RETURNING reports",
            (mac, now),
        ).fetchone()
        row = (mac, number % REPORTS_KEPT, now, name, text)
        db.execute("INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?, ?)", row)

    def _started(
        self, db: sqlite3.Connection, mac: str, report: wire.Report, target: sqlite3.Row | None, now: float
    ) -> None:
        db.execute(
            "UPDATE devices SET version = ?, build_time = ?, slot = ? WHERE mac = ?",
            (report.version, report.build_time, report.slot, mac),
        )
        self._tell(mac, f"runs {report.version}")
        if target is None:
            return
        if report.version == target["version"]:
            if report.state == "trial":  # its word comes after the confirmation
                self._targets.set(target, REBOOTING, now, progress=100)
            else:
                self._targets.settle(target, CONFIRMED, now)
        elif target["state"] in (*UNDER_WAY, SILENT):
            self._targets.after_boot(target, now)

    def _failed(
        self, db: sqlite3.Connection, mac: str, report: wire.Report, target: sqlite3.Row | None, now: float
    ) -> None:
        code, cause = report.code, report.cause
        db.execute(
            "UPDATE devices SET code = ?, cause = ?, failed_at = ? WHERE mac = ?", (code, cause, now, mac)
        )
        self._tell(mac, words(code, cause))
        if target is None or not _is_open(target) or code == errors.NO_CLOCK:
            return
        if code == errors.SAME_VERSION:
            self._targets.settle(target, CONFIRMED, now)
        elif code == errors.ROLLED_BACK:
            self._targets.settle(target, ROLLED_BACK, now, code, cause)
        elif code in FINAL_CODES:
            self._targets.settle(target, FAILED, now, code, cause)
        else:
            self._targets.after_error(target, code, cause, now)


def _is_open(target: sqlite3.Row) -> bool:
    """Offered, and no verdict yet."""
    return target["offers"] > 0 and target["state"] not in (CONFIRMED, FAILED, ROLLED_BACK)
