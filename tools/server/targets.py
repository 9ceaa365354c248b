"""A device's part in a push: its row in `targets`, and every change of it that a board or its silence causes.

It goes queued → offered → (waiting →) downloading → verified → rebooting → trial → confirmed, or ends as
failed, rolled back or silent. After a failure that a second try can mend, and after a boot, the offer is made
again, OFFERS times in all for each push. What a cancel makes of it: see recall.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from tools.server import tallies
from tools.server.states import (
    CANCELLED,
    CONFIRMED,
    DONE,
    FAILED,
    OFFERED,
    RETRYING,
    RUNNING,
    UNDER_WAY,
    VERIFIED,
)  # fmt: skip
from tools.server.store import Store

OFFERS = 5  # only those that begin a new try: an answer repeated to a board that is at it does not
REPEAT = 0.0  # as `due`: the same offer again, which is not a new try
AFTER_BOOT_S = 2  # a board that has something to report does so first
RETRY_S = 10
REBOOT_AFTER_S = 3  # a board restarts as soon as it has said that the image is good
ON_ITS_WAY_S = 5  # so long a board that says it is idle may not have seen the offer yet

_LATEST = """
    SELECT t.*, p.state AS push_state, p.version, p.digest, p.offer, p.silence_s, p.max_failures,
        d.version AS running, d.state AS board_state, d.knows, d.said
    FROM targets t JOIN pushes p ON p.id = t.push JOIN devices d ON d.mac = t.mac
    WHERE t.mac = ? {which} ORDER BY t.push DESC LIMIT 1"""
NEWEST = _LATEST.format(which="")
_OF_VERSION = _LATEST.format(which="AND t.offers > 0 AND p.version = ?")


class Targets:
    """log(mac, text): for the log. Changes belong into a transaction of the store."""

    def __init__(self, store: Store, log: Callable[[str, str], None]) -> None:
        self._cursor = store.db.cursor()
        self._cursor.row_factory = sqlite3.Row
        self._log = log

    def latest(self, mac: str) -> sqlite3.Row | None:
        """The device's part in the newest push that has it, with facts of push and device."""
        return self._cursor.execute(NEWEST, (mac,)).fetchone()

    def offered(self, mac: str, version: str) -> sqlite3.Row | None:
        """The same in the newest push that has offered it this version."""
        return self._cursor.execute(_OF_VERSION, (mac, version)).fetchone()

    def begin_try(self, target: sqlite3.Row, now: float) -> bool:
        """Count one more offer, unless the board waits for its time; False if there were enough, or if no
        more may be in the air."""
        is_new = not target["offers"] or (target["due"] != REPEAT and target["starts_at"] <= now)
        if is_new and target["offers"] >= OFFERS:
            cause = target["cause"] or f"offered {OFFERS} times in vain"
            self.settle(target, FAILED, now, target["code"], cause)
            return False
        if not target["offers"] and not tallies.room(self._cursor, target["push"], target["max_failures"]):
            return False
        self.set(target, OFFERED, now, offers=target["offers"] + is_new, progress=0)
        self._log(target["mac"], f"offered {target['version']}")
        return True

    def is_on_its_way(self, target: sqlite3.Row, now: float) -> bool:
        """Whether the offer left so lately that a board need not know it yet."""
        return target["state"] == OFFERED and now - target["changed"] < ON_ITS_WAY_S

    def again(self, target: sqlite3.Row, now: float) -> None:
        """The board says that it is not at it, whatever became of it."""
        if _goes_on(target):
            self.begin_try(target, now)
        else:
            state = CANCELLED if target["push_state"] == CANCELLED else FAILED
            self.settle(target, state, now, target["code"], target["cause"] or "no longer at the board")

    def after_boot(self, target: sqlite3.Row, now: float) -> None:
        """Another offer, unless the board goes on by itself before it is sent."""
        if _goes_on(target):
            self.set(target, RETRYING, now, due=now + AFTER_BOOT_S, code=None, cause=None)
        elif target["push_state"] == CANCELLED:
            self.settle(target, CANCELLED, now)

    def after_error(self, target: sqlite3.Row, code: int, cause: str, now: float) -> None:
        """One that may pass: another offer, each time a while later."""
        if _goes_on(target) and target["offers"] < OFFERS:
            due = now + RETRY_S * 2 ** (target["offers"] - 1)
            self.set(target, RETRYING, now, due=due, code=code, cause=cause)
        else:
            self.settle(target, FAILED, now, code, cause)

    def settle(
        self, target: sqlite3.Row, state: str, now: float, code: int | None = None, cause: str | None = None
    ) -> None:
        if state == CONFIRMED and target["state"] == CONFIRMED:
            return
        progress = 100 if state == CONFIRMED else target["progress"]
        self.set(target, state, now, progress=progress, code=code, cause=cause)
        self._log(target["mac"], f"{target['version']} {state}")

    def look_again(self, target: sqlite3.Row, due: float) -> None:
        """The state is what it was; the server looks at it again then."""
        where = (due, target["mac"], target["push"])
        self._cursor.execute("UPDATE targets SET due = ? WHERE mac = ? AND push = ?", where)

    def set(self, target: sqlite3.Row, state: str, now: float, **changes: object) -> None:
        columns = {"state": state, "changed": now, **changes}
        if state == VERIFIED:
            columns["due"] = now + REBOOT_AFTER_S
        elif state in UNDER_WAY:
            columns["due"] = now + target["silence_s"]
        setters = ", ".join(f"{name} = ?" for name in columns)
        self._cursor.execute(
            f"UPDATE targets SET {setters} WHERE mac = ? AND push = ?",
            (*columns.values(), target["mac"], target["push"]),
        )


def _goes_on(target: sqlite3.Row) -> bool:
    return target["push_state"] in (RUNNING, DONE)
