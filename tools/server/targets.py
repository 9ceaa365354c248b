"""A device's part in a push: its row in `targets`, and every change of it.

It goes queued → offered → downloading → verified → rebooting → confirmed, or ends as failed, rolled back or
silent. After a failure that a second try can mend, and after each boot, it is queued again, until the image
has been offered OFFERS times to that device, whatever the push.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from tools.server.states import CONFIRMED, DONE, FAILED, OFFERED, QUEUED, RUNNING
from tools.server.store import Store

OFFERS = 5  # only those that begin a new try: an answer repeated to a board that is at it is none
REPEAT = 0.0  # as `due`: the same offer again, which is no new try
AFTER_BOOT_S = 2  # a board that has something to tell does so first
RETRY_S = 10

_LATEST = """
    SELECT t.*, p.state AS push_state, p.version, p.digest, p.offer, d.version AS running
    FROM targets t JOIN pushes p ON p.id = t.push JOIN devices d ON d.mac = t.mac
    WHERE t.mac = ? ORDER BY t.push DESC LIMIT 1"""
_TRIES = "SELECT SUM(t.offers) FROM targets t JOIN pushes p ON p.id = t.push WHERE t.mac = ? AND p.digest = ?"


class Targets:
    """tell(mac, text): for the log. Changes belong into a transaction of the store."""

    def __init__(self, store: Store, tell: Callable[[str, str], None]) -> None:
        self._cursor = store.db.cursor()
        self._cursor.row_factory = sqlite3.Row
        self._tell = tell

    def latest(self, mac: str) -> sqlite3.Row | None:
        """The device's part in the newest push that has it, with facts of push and device."""
        return self._cursor.execute(_LATEST, (mac,)).fetchone()

    def begin_try(self, target: sqlite3.Row, now: float) -> bool:
        """Count one more offer, unless the board waits for its time; False if there were enough."""
        is_new = not target["offers"] or (target["due"] != REPEAT and target["starts_at"] <= now)
        if is_new and self._tries(target) >= OFFERS:
            if target["state"] == QUEUED:
                cause = target["cause"] or f"offered {OFFERS} times in vain"
                self.settle(target, FAILED, now, target["code"], cause)
            return False
        self.set(target, OFFERED, now, offers=target["offers"] + is_new, progress=0)
        self._tell(target["mac"], f"offered {target['version']}")
        return True

    def after_boot(self, target: sqlite3.Row, now: float) -> None:
        """Another offer, unless the board goes on by itself before it is sent."""
        if _goes_on(target):
            self.set(target, QUEUED, now, due=now + AFTER_BOOT_S)

    def after_error(self, target: sqlite3.Row, code: int, cause: str, now: float) -> None:
        """One that may pass: another offer, each time a while later."""
        if _goes_on(target) and self._tries(target) < OFFERS:
            due = now + RETRY_S * 2 ** (target["offers"] - 1)
            self.set(target, QUEUED, now, due=due, code=code, cause=cause)
        else:
            self.settle(target, FAILED, now, code, cause)

    def settle(
        self, target: sqlite3.Row, state: str, now: float, code: int | None = None, cause: str | None = None
    ) -> None:
        if state == CONFIRMED and target["state"] == CONFIRMED:
            return
        progress = 100 if state == CONFIRMED else target["progress"]
        self.set(target, state, now, progress=progress, code=code, cause=cause)
        self._tell(target["mac"], f"{target['version']} {state}")

    def set(self, target: sqlite3.Row, state: str, now: float, **changes: object) -> None:
        columns = {"state": state, "changed": now, **changes}
        setters = ", ".join(f"{name} = ?" for name in columns)
        self._cursor.execute(
            f"UPDATE targets SET {setters} WHERE mac = ? AND push = ?",
            (*columns.values(), target["mac"], target["push"]),
        )

    def _tries(self, target: sqlite3.Row) -> int:
        return self._cursor.execute(_TRIES, (target["mac"], target["digest"])).fetchone()[0]


def _goes_on(target: sqlite3.Row) -> bool:
    return target["push_state"] in (RUNNING, DONE)
