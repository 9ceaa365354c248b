"""What a device reports of an update, progress and errors, and what that makes of its part in a push."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from device import errors
from tools.server import wire
from tools.server.recall import Recall
from tools.server.states import (
    BEGUN,
    CONFIRMED,
    DOWNLOADING,
    FAILED,
    FINAL_CODES,
    IN_THE_AIR,
    OFFERED,
    ROLLED_BACK,
    SILENT,
    TRIAL,
    VERIFIED,
    words,
)  # fmt: skip
from tools.server.store import Store
from tools.server.targets import Targets


class Progress:
    """log(mac, text): for the log. Changes belong into a transaction of the store."""

    def __init__(self, store: Store, log: Callable[[str, str], None]) -> None:
        self._store = store
        self._targets = Targets(store, log)
        self._recall = Recall(store, log)
        self._log = log

    def came(self, report: wire.Report, target: sqlite3.Row, now: float) -> None:
        """The board is at it, or has verified the image."""
        if self._recall.concerns(target):
            self._recall.progressed(target, report.kind, report.progress, now)
        elif _is_open(target) and not (target["state"] == TRIAL and target["running"] == target["version"]):
            state = VERIFIED if report.kind == "verified" else DOWNLOADING
            self._targets.set(target, state, now, progress=report.progress)
            self._log(target["mac"], f"{state} {report.progress} %")

    def failed(self, mac: str, report: wire.Report, target: sqlite3.Row | None, now: float) -> None:
        """An error of a device, and perhaps of its part in a push."""
        code, cause = report.code, report.cause
        self._store.db.execute(
            "UPDATE devices SET code = ?, cause = ?, failed_at = ? WHERE mac = ?", (code, cause, now, mac)
        )
        self._log(mac, words(code, cause))
        if code == errors.ROLLED_BACK and report.version:
            target = self._targets.offered(mac, report.version)
        if target is None or not target["offers"] or code == errors.NO_CLOCK:
            return
        if code == errors.ROLLED_BACK and target["state"] != FAILED:
            self._targets.settle(target, ROLLED_BACK, now, code, cause)
        elif self._recall.concerns(target):
            self._recall.failed(target, code, now)
        elif _is_open(target):
            self._end_try(target, code, cause, now)

    def _end_try(self, target: sqlite3.Row, code: int, cause: str, now: float) -> None:
        """Not every error is of the offer: one that was taken is not malformed, or one too many."""
        state = target["state"]
        if code == errors.BAD_MESSAGE and state != OFFERED:
            return
        if code == errors.ALREADY_RUNNING and state in BEGUN:
            return
        runs_it = target["running"] == target["version"] and target["board_state"] != "trial"
        if code == errors.SAME_VERSION and runs_it:
            self._targets.settle(target, CONFIRMED, now)
        elif code in FINAL_CODES:
            self._targets.settle(target, FAILED, now, code, cause)
        else:
            self._targets.after_error(target, code, cause, now)


def _is_open(target: sqlite3.Row) -> bool:
    """Offered, and no verdict yet."""
    return target["state"] in (*IN_THE_AIR, SILENT)
