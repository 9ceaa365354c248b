"""What one server at a time does for all: makes the offers that are due, notices silence, ends pushes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from tools.server import tallies
from tools.server.recall import Recall
from tools.server.states import (
    DONE,
    FAILED,
    IN_THE_AIR,
    LOST,
    NOT_OFFERED,
    OFFERED,
    QUEUED,
    REBOOTING,
    RETRYING,
    RUNNING,
    SILENT,
    STOPPED,
    TRIAL,
    UNDER_WAY,
    VERIFIED,
)  # fmt: skip
from tools.server.store import Store
from tools.server.targets import REPEAT, Targets

AT_ONCE = 500  # offers, and looks at silent devices, in one tick


class Leader:
    """word_offer, log: see fleet.Fleet."""

    def __init__(
        self, store: Store, word_offer: Callable[[sqlite3.Row], str], log: Callable[[str, str], None]
    ) -> None:
        self._store = store
        self._cursor = store.db.cursor()
        self._cursor.row_factory = sqlite3.Row
        self._targets = Targets(store, log)
        self._recall = Recall(store, log)
        self._word_offer = word_offer
        self._log = log
        self._since = 0.0

    def take_over(self, now: float) -> None:
        """What the leader before us wrote down may never have left it: offer it once more. Nobody was silent
        while there was no leader to hear."""
        self._since = now
        with self._store.transaction() as db:
            db.execute(
                "UPDATE targets SET state = ?, due = ? WHERE state = ?"
                " AND push IN (SELECT id FROM pushes WHERE state = ?)",
                (RETRYING, REPEAT, OFFERED, RUNNING),
            )

    def tick(self, now: float) -> list[tuple[str, str]]:
        """(mac, what to send on `update`): offers, which count as made, after cancels of earlier ones."""
        with self._store.transaction():
            self._look_after(now)
            self._stop_where_too_many_failed(now)
            messages = self._recall.due(now) + self._offers(now)
            self._finish()
        return messages

    def _look_after(self, now: float) -> None:
        """Those not heard of for so long that they are silent, or restart just now."""
        for state in UNDER_WAY:
            for target in self._all(
                "SELECT t.*, p.version, p.silence_s, d.seen FROM targets t JOIN pushes p ON p.id = t.push"
                " JOIN devices d ON d.mac = t.mac WHERE t.state = ? AND t.due <= ? LIMIT ?",
                state, now, AT_ONCE,
            ):  # fmt: skip
                self._look_at(target, now)

    def _look_at(self, target: sqlite3.Row, now: float) -> None:
        if target["state"] == VERIFIED:
            self._targets.set(target, REBOOTING, now)
            return
        # A board may ask on and on, and never say how the trial of its image has ended.
        seen = 0 if target["state"] == TRIAL else target["seen"] or 0
        until = max(target["changed"], target["starts_at"], seen, self._since) + target["silence_s"]
        if until > now:
            self._targets.look_again(target, until)
        else:
            self._targets.settle(target, SILENT, now, target["code"], target["cause"])

    def _stop_where_too_many_failed(self, now: float) -> None:
        for push in self._all("SELECT * FROM pushes WHERE state = ? AND max_failures > 0", RUNNING):
            lost = tallies.count(self._cursor, push["id"], LOST)
            if lost >= push["max_failures"]:
                self._end_push(push["id"], STOPPED, f"{lost} failed")
                self._keep_nothing_waiting(push, now)

    def _keep_nothing_waiting(self, push: sqlite3.Row, now: float) -> None:
        """A board that was to be offered it again has given up, or may go on by itself."""
        self._cursor.execute(
            "UPDATE targets SET state = ? WHERE push = ? AND state = ?", (NOT_OFFERED, push["id"], QUEUED)
        )
        self._cursor.execute(
            "UPDATE targets SET state = iif(code IS NULL, ?, ?), due = ?, changed = ?"
            " WHERE push = ? AND state = ?",
            (OFFERED, FAILED, now + push["silence_s"], now, push["id"], RETRYING),
        )

    def _offers(self, now: float) -> list[tuple[str, str]]:
        latest = [self._targets.latest(mac) for mac in self._due(now)]
        return [
            (target["mac"], self._word_offer(target))
            for target in latest
            if target is not None
            and target["state"] in (QUEUED, RETRYING)
            and self._targets.begin_try(target, now)
        ]

    def _due(self, now: float) -> list[str]:
        """Devices, first those that have been offered it before."""
        query = "SELECT mac FROM targets WHERE state = ? AND due <= ? ORDER BY due LIMIT ?"
        due = [row[0] for row in self._all(query, RETRYING, now, AT_ONCE)]
        query = "SELECT mac FROM targets WHERE push = ? AND state = ? AND due <= ? ORDER BY due LIMIT ?"
        for push in self._all("SELECT id, max_failures FROM pushes WHERE state = ?", RUNNING):
            room = tallies.room(self._cursor, push["id"], push["max_failures"])
            limit = min(room, AT_ONCE - len(due))
            due += [row[0] for row in self._all(query, push["id"], QUEUED, now, limit)]
        return due

    def _finish(self) -> None:
        for push in self._all("SELECT id FROM pushes WHERE state = ?", RUNNING):
            if not tallies.count(self._cursor, push["id"], (QUEUED, *IN_THE_AIR)):
                self._end_push(push["id"], DONE, "")

    def _end_push(self, push: int, state: str, note: str) -> None:
        self._cursor.execute("UPDATE pushes SET state = ?, note = ? WHERE id = ?", (state, note, push))
        self._log("", f"push {push} {state}{': ' + note if note else ''}")

    def _all(self, query: str, *values: object) -> list[sqlite3.Row]:
        return self._cursor.execute(query, values).fetchall()
