"""The recall of offers: of a push that is cancelled, and of what another push replaces.

A board that has announced `cancel` is sent one until it says that it has dropped the offer, or
shows by its state that nothing waits: "cancelling", then "cancelled". What others have been given, or what a
board has verified already, it may still install: "not recallable". What boards say later counts more.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from device import errors
from tools.errors import ToolError
from tools.server.states import (
    CANCELLED,
    CANCELLING,
    CONFIRMED,
    DOWNLOADING,
    IN_THE_AIR,
    NOT_OFFERED,
    NOT_RECALLABLE,
    OFFERED,
    QUEUED,
    RECALLED,
    RETRYING,
    SILENT,
    WAITING,
)  # fmt: skip
from tools.server.store import Store
from tools.server.targets import Targets
from tools.server.wire import Word

RECALLS = 10  # cancel messages to one board
RECALL_S = 10  # until the second one, then twice as long each time
AT_ONCE = 500
_AT_IT = ("waiting", "updating")

_SIGNATURE = "json_extract({offer}, '$.\"sig-sha256-ecdsa\"')"
_KNOWN = "ifnull((SELECT knows FROM devices d WHERE d.mac = targets.mac), '')"
_KNOWS = f"instr(' ' || {_KNOWN} || ' ', ' cancel ')"
# What a push that ends leaves at the boards. One that reported an error has dropped the offer by itself.
_END = f"""
    UPDATE targets SET changed = :now, due = 0, recalls = 0, cause = ifnull(:cause, cause), state = CASE
        WHEN state IN {(QUEUED, NOT_OFFERED)} OR {{same}} THEN '{CANCELLED}'
        WHEN state = '{RETRYING}' AND code IS NOT NULL THEN '{CANCELLED}'
        WHEN {_KNOWS} AND state IN {(RETRYING, OFFERED, WAITING, DOWNLOADING, SILENT)} THEN '{CANCELLING}'
        ELSE '{NOT_RECALLABLE}' END
    WHERE {{which}} AND state IN {(QUEUED, NOT_OFFERED, SILENT, *IN_THE_AIR)}"""
_OF_PUSH = _END.format(same="0", which="push = :push")
_CHOSEN = "push < :push AND mac IN (SELECT mac FROM chosen)"
_SAME = f"(SELECT {_SIGNATURE.format(offer='offer')} FROM pushes WHERE id = push) = :signature"
_OF_CHOSEN = _END.format(same=_SAME, which=_CHOSEN)
_WANTED_AGAIN = f"""
    UPDATE targets SET state = '{CANCELLED}' WHERE {_CHOSEN} AND state IN {RECALLED} AND {_SAME}"""


def cancel(store: Store, push: int, now: float) -> None:
    """No more offers of this push, and those made are recalled. Raises ToolError if there is no such push."""
    with store.transaction() as db:
        row = db.execute("SELECT state FROM pushes WHERE id = ?", (push,)).fetchone()
        if row is None:
            raise ToolError(f"no push {push}: `devices` names those that run")
        if row[0] != CANCELLED:
            db.execute("UPDATE pushes SET state = ? WHERE id = ?", (CANCELLED, push))
            db.execute(_OF_PUSH, {"now": now, "cause": None, "push": push})


def replace(db: sqlite3.Connection, push: int, signature: str, now: float) -> None:
    """The devices in the table `chosen` get this new push instead of what they have not begun of others."""
    facts = {"now": now, "cause": replaced_by(push), "push": push, "signature": signature}
    db.execute(_OF_CHOSEN, facts)
    db.execute(_WANTED_AGAIN, {"push": push, "signature": signature})


def replaced_by(push: int) -> str:
    return f"replaced by push {push}"


class Recall:
    """The leader's part: sends cancels, and hears what boards make of them. log(mac, text): for the log."""

    def __init__(self, store: Store, log: Callable[[str, str], None]) -> None:
        self._cursor = store.db.cursor()
        self._cursor.row_factory = sqlite3.Row
        self._targets = Targets(store, log)
        self._log = log

    def due(self, now: float) -> list[tuple[str, str]]:
        """(mac, JSON text of a cancel) to send on `update`; they count as sent."""
        rows = self._rows("t.state = ? AND t.due <= ? ORDER BY t.due LIMIT ?", CANCELLING, now, AT_ONCE)
        for row in rows:
            sent = row["recalls"] + 1
            again = now + RECALL_S * 2 ** row["recalls"] if sent < RECALLS else None
            self._targets.set(row, CANCELLING, now, recalls=sent, due=again)
            self._log(row["mac"], f"asked to cancel {row['version']}")
        return [(row["mac"], json.dumps({"cancel": row["signature"]})) for row in rows]

    @staticmethod
    def concerns(target: sqlite3.Row) -> bool:
        """Whether this one was recalled after it had been made. target: see Targets.latest()."""
        return target["state"] in RECALLED or (target["state"] == CANCELLED and target["offers"] > 0)

    def is_news(self, target: sqlite3.Row, word: Word) -> bool:
        """Whether a `get` says anything about it."""
        if target["state"] == CANCELLED and target["offers"]:
            return word.state in _AT_IT
        return target["state"] in RECALLED and bool(word.version)

    def hear(self, mac: str, word: Word, now: float) -> None:
        """What the board says of itself, when it connects or asks."""
        for row in self._of(mac):
            if word.version == row["version"]:
                if word.is_good:
                    self._targets.settle(row, CONFIRMED, now)
            elif word.kind == "get" and word.state == "idle":
                self._idle(row, now)
            elif word.is_on_trial:
                if word.kind == "INIT" and row["state"] == CANCELLING:  # UPDATE is of another image
                    self._give_up(row, now, None, "on trial already")
            elif row["state"] != CANCELLED or word.state in _AT_IT:
                # When it connects, what lies at the broker is still to come.
                self._send_or_give_up(row, "cancel" in word.knows.split(), now)

    def _idle(self, row: sqlite3.Row, now: float) -> None:
        if row["state"] == NOT_RECALLABLE or row["recalls"]:  # else ours is still to come
            self._targets.settle(row, CANCELLED, now, cause=row["cause"])

    def confirmed(self, mac: str, version: str, now: float) -> None:
        for row in self._of(mac):
            if row["version"] == version:
                self._targets.settle(row, CONFIRMED, now)

    def dropped(self, mac: str, now: float) -> None:
        """The board says so; not which one, but it has one at a time."""
        for row in self._of(mac):
            if row["state"] != CANCELLED:
                self._targets.settle(row, CANCELLED, now, cause=row["cause"])

    def progressed(self, target: sqlite3.Row, kind: str, progress: int, now: float) -> None:
        """It goes on nevertheless. target: see Targets.latest()."""
        if kind == "verified":
            self._give_up(target, now, None, "verified before the cancel came")
        else:
            self._targets.set(target, target["state"], now, progress=progress)
            self._send_or_give_up(target, "cancel" in (target["knows"] or "").split(), now)

    def failed(self, target: sqlite3.Row, code: int, now: float) -> None:
        """Whatever failed, only one thing is said of the recall."""
        if code == errors.BAD_MESSAGE and target["state"] == CANCELLING:
            self._give_up(target, now, code, "the board does not know cancel")

    def _send_or_give_up(self, row: sqlite3.Row, knows: bool, now: float) -> None:
        if not knows:
            self._give_up(row, now, None, row["cause"])
        elif row["recalls"] < RECALLS:
            self._targets.set(row, CANCELLING, now, due=now)

    def _give_up(self, row: sqlite3.Row, now: float, code: int | None, cause: str | None) -> None:
        if row["state"] != NOT_RECALLABLE:
            self._targets.settle(row, NOT_RECALLABLE, now, code, cause)

    def _of(self, mac: str) -> list[sqlite3.Row]:
        """What was recalled from this device after it had been offered, and may be there still; the newest
        even if the board said that it is not."""
        newest = "(SELECT max(push) FROM targets WHERE mac = t.mac)"
        where = f"t.state IN {RECALLED} OR t.state = '{CANCELLED}' AND t.offers > 0 AND t.push = {newest}"
        return self._rows(f"t.mac = ? AND ({where})", mac)

    def _rows(self, where: str, *values: Any) -> list[sqlite3.Row]:
        query = f"""SELECT t.*, p.version, p.silence_s, {_SIGNATURE.format(offer="p.offer")} AS signature
            FROM targets t JOIN pushes p ON p.id = t.push WHERE {where}"""
        return self._cursor.execute(query, values).fetchall()
