"""What one server at a time does for all: makes the offers that are due, notices silence, ends pushes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from tools.server.states import (
    DONE,
    LOST,
    OFFERED,
    QUEUED,
    REBOOTING,
    RUNNING,
    SILENT,
    STOPPED,
    UNDER_WAY,
    VERIFIED,
)  # fmt: skip
from tools.server.store import Store
from tools.server.targets import REPEAT, Targets

REBOOT_AFTER_S = 3  # a board restarts as soon as it has said that the image is good
AT_ONCE = 500  # offers in one tick


class Leader:
    """word_offer, tell: see fleet.Fleet."""

    def __init__(
        self, store: Store, word_offer: Callable[[sqlite3.Row], str], tell: Callable[[str, str], None]
    ) -> None:
        self._store = store
        self._cursor = store.db.cursor()
        self._cursor.row_factory = sqlite3.Row
        self._targets = Targets(store, tell)
        self._word_offer = word_offer
        self._tell = tell

    def take_over(self) -> None:
        """What the leader before us wrote down may never have left it: offer it once more."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE targets SET state = ?, due = ? WHERE state = ?"
                " AND push IN (SELECT id FROM pushes WHERE state = ?)",
                (QUEUED, REPEAT, OFFERED, RUNNING),
            )

    def tick(self, now: float) -> list[tuple[str, str]]:
        """(mac, offer) to send on `update`; they count as made."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE targets SET state = ?, changed = ? WHERE state = ? AND changed < ?",
                (REBOOTING, now, VERIFIED, now - REBOOT_AFTER_S),
            )
            self._note_silence(now)
            self._stop_where_too_many_failed()
            offers = self._due(now)
            self._finish()
        return offers

    def _note_silence(self, now: float) -> None:
        silent = self._all(
            "SELECT t.*, p.version FROM targets t JOIN pushes p ON p.id = t.push"
            f" JOIN devices d ON d.mac = t.mac WHERE t.state IN {UNDER_WAY}"
            " AND max(t.changed, t.starts_at, ifnull(d.seen, 0)) < ? - p.silence_s",
            now,
        )
        for target in silent:
            self._targets.settle(target, SILENT, now, target["code"], target["cause"])

    def _stop_where_too_many_failed(self) -> None:
        for push in self._all("SELECT * FROM pushes WHERE state = ? AND max_failures > 0", RUNNING):
            where = f"push = ? AND state IN {LOST}"
            lost = self._all(f"SELECT COUNT(*) FROM targets WHERE {where}", push["id"])[0][0]
            if lost >= push["max_failures"]:
                self._end_push(push["id"], STOPPED, f"{lost} failed")

    def _due(self, now: float) -> list[tuple[str, str]]:
        due = self._all(
            "SELECT t.mac FROM targets t JOIN pushes p ON p.id = t.push WHERE t.state = ? AND t.due <= ?"
            " AND p.state IN (?, ?) ORDER BY t.due LIMIT ?",
            QUEUED, now, RUNNING, DONE, AT_ONCE,
        )  # fmt: skip
        latest = [self._targets.latest(row["mac"]) for row in due]
        return [
            (target["mac"], self._word_offer(target))
            for target in latest
            if target is not None and target["state"] == QUEUED and self._targets.begin_try(target, now)
        ]

    def _finish(self) -> None:
        for push in self._all(
            "SELECT id FROM pushes p WHERE state = ? AND NOT EXISTS"
            f" (SELECT 1 FROM targets WHERE push = p.id AND state IN {(QUEUED, *UNDER_WAY)})",
            RUNNING,
        ):
            self._end_push(push["id"], DONE, "")

    def _end_push(self, push: int, state: str, note: str) -> None:
        self._cursor.execute("UPDATE pushes SET state = ?, note = ? WHERE id = ?", (state, note, push))
        self._tell("", f"push {push} {state}{': ' + note if note else ''}")

    def _all(self, query: str, *values: object) -> list[sqlite3.Row]:
        return self._cursor.execute(query, values).fetchall()
