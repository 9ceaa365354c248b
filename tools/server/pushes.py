"""What an operator wants: a push to some devices, its end, and which devices there are."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterable
from typing import Any

from tools.errors import ToolError
from tools.server import clock, recall, tallies
from tools.server.states import (
    BEGUN,
    CANCELLING,
    CONFIRMED,
    DONE,
    IN_THE_AIR,
    NOT_RECALLABLE,
    QUEUED,
    REVOKED,
    RUNNING,
    STOPPED,
)  # fmt: skip
from tools.server.store import Store

MAX_COUNTED = 10_000  # devices that fetch between two looks
_BEGUN = f"""
    SELECT t.mac, t.state, p.version, t.push, COUNT(*) OVER () AS devices FROM chosen c
    JOIN targets t ON t.mac = c.mac JOIN pushes p ON p.id = t.push WHERE t.state IN {BEGUN} LIMIT 1"""
# A board that runs the version already is not asked to install it. due 0: at once.
_ADD_TARGETS = f"""
    INSERT INTO targets (mac, push, state, progress, due, starts_at, changed)
    SELECT c.mac, :push, iif(has_it, '{CONFIRMED}', '{QUEUED}'), iif(has_it, 100, 0),
        iif(:at OR NOT later_s, 0, :now + later_s), iif(:at, CAST(:at + later_s AS INTEGER), 0), :now
    FROM (SELECT chosen.*, d.version IS :version AND ifnull(d.state, '') != 'trial' AS has_it
        FROM chosen JOIN devices d ON d.mac = chosen.mac) c"""


def start(
    store: Store,
    digest: str,
    offer: dict[str, Any],
    macs: list[str],
    *,
    at: int = 0,
    jitter_s: int = 0,
    max_failures: int = 0,
    silence_s: int = 600,
) -> int:
    """A new push; the running server sees it. Returns its number.

    offer: without URLs. at: Unix s before which no board starts: boards get their offers at once and wait
    themselves. jitter_s: each board starts a random time up to this later. max_failures: no more offers after
    so many failures and silences, and never more in the air than may still fail, 0 = no limit. silence_s: a
    board not heard of for so long is silent.
    What a device has not begun of other pushes is replaced. Raises ToolError if one has begun.
    """
    now = clock.of(store)
    with store.transaction() as db:
        _choose(db, macs, jitter_s)
        _refuse_what_has_begun(db)
        row = (digest, offer["version"], json.dumps(offer), max_failures, silence_s, RUNNING, now)
        push = int(
            db.execute(
                "INSERT INTO pushes (digest, version, offer, max_failures, silence_s, state, made)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            ).lastrowid
            or 0
        )
        recall.replace(db, push, offer["sig-sha256-ecdsa"], now)
        facts = {"push": push, "version": offer["version"], "at": at, "now": now}
        db.execute(_ADD_TARGETS, facts)
        if set(tallies.of(db, push)) == {CONFIRMED}:  # all have it already: nobody has to serve for that
            db.execute("UPDATE pushes SET state = ? WHERE id = ?", (DONE, push))
    return push


def _choose(db: sqlite3.Connection, macs: list[str], jitter_s: int) -> None:
    """A table of this connection alone: which devices, and how many seconds later each starts."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS chosen (mac TEXT PRIMARY KEY, later_s REAL) WITHOUT ROWID")
    db.execute("DELETE FROM chosen")
    rows = [(mac, random.uniform(0, jitter_s)) for mac in dict.fromkeys(macs)]
    db.executemany("INSERT INTO chosen VALUES (?, ?)", rows)


def _refuse_what_has_begun(db: sqlite3.Connection) -> None:
    row = db.execute(_BEGUN).fetchone()
    if row is not None:
        mac, state, version, push, devices = row
        others = f" and {devices - 1} more have begun, too" if devices > 1 else ""
        raise ToolError(
            f"{mac} is {state} {version} of push {push}{others}:"
            f" wait for the end, or give --cancel {push} first"
        )


def is_over(store: Store, push: int) -> bool:
    """No more offers, and, unless it was cancelled, a verdict of each device that got one."""
    (state,) = store.db.execute("SELECT state FROM pushes WHERE id = ?", (push,)).fetchone()
    if state != STOPPED:
        return state != RUNNING
    return tallies.count(store.db, push, IN_THE_AIR) == 0


def has_confirmed_all(store: Store, push: int) -> bool:
    return set(tallies.of(store.db, push)) == {CONFIRMED}


def cancel(store: Store, push: int | None = None) -> list[int]:
    """End this push, or all that run: no more offers, and those made are recalled. Returns the numbers.
    Raises ToolError if there is no such push."""
    query = "SELECT id FROM pushes WHERE state = ? ORDER BY id"
    numbers = [push] if push else [row[0] for row in store.db.execute(query, (RUNNING,))]
    for number in numbers:
        recall.cancel(store, number, clock.of(store))
    return numbers


def are_recalled(store: Store, numbers: list[int]) -> bool:
    """Whether no cancel message waits for its answer any more."""
    return not any(tallies.count(store.db, number, (CANCELLING,)) for number in numbers)


def not_recallable(store: Store, *, of: int | None = None, replaced_by: int | None = None) -> list[str]:
    """Devices that may still install what was cancelled: of this push, or what that one replaced."""
    query = "SELECT mac FROM targets WHERE state = ? AND "
    if of is not None:
        rows = store.db.execute(query + "push = ? ORDER BY mac", (NOT_RECALLABLE, of))
    else:
        cause = recall.replaced_by(replaced_by or 0)
        rows = store.db.execute(query + "cause = ? ORDER BY mac", (NOT_RECALLABLE, cause))
    return [row[0] for row in rows]


# Devices


def add_devices(store: Store, certificates: dict[str, float]) -> None:
    """certificates: MAC -> when the device's certificate expires. They are devices before they say a word."""
    with store.transaction() as db:
        db.executemany(
            "INSERT INTO devices (mac, certificate_ends) VALUES (?, ?)"
            " ON CONFLICT (mac) DO UPDATE SET certificate_ends = excluded.certificate_ends"
            " WHERE certificate_ends IS NOT excluded.certificate_ends",
            certificates.items(),
        )


def all_devices(store: Store) -> list[str]:
    """But those that were revoked."""
    query = "SELECT mac FROM devices WHERE certificate_ends IS NOT ? ORDER BY mac"
    return [row[0] for row in store.db.execute(query, (REVOKED,))]


def check(store: Store, macs: Iterable[str]) -> list[str]:
    """The same without doubles. Raises ToolError for an unknown one."""
    wanted = list(dict.fromkeys(macs))
    for mac in wanted:
        if store.db.execute("SELECT 1 FROM devices WHERE mac = ?", (mac,)).fetchone() is None:
            raise ToolError(f"no device {mac}: it has no certificate here and never reported")
    return wanted


def tagged(store: Store, tag: str) -> list[str]:
    macs = [row[0] for row in store.db.execute("SELECT mac FROM tags WHERE tag = ? ORDER BY mac", (tag,))]
    if not macs:
        raise ToolError(f"no device has the tag {tag!r}: `devices FOLDER --tag {tag} MAC …` gives it")
    return macs


def set_tag(store: Store, tag: str, macs: list[str], on: bool = True) -> None:
    statement = "DELETE FROM tags WHERE tag = ? AND mac = ?"
    if on:
        statement = "INSERT OR IGNORE INTO tags VALUES (?, ?)"
    with store.transaction() as db:
        db.executemany(statement, [(tag, mac) for mac in macs])


def count_bytes(store: Store, sent: dict[tuple[str, str], int]) -> None:
    """sent: (MAC, digest) -> bytes that our file server sent, as far as a URL can be believed."""
    with store.transaction() as db:
        db.executemany(
            "UPDATE targets SET bytes = bytes + ? WHERE mac = ? AND push = (SELECT max(t.push)"
            " FROM targets t JOIN pushes p ON p.id = t.push WHERE t.mac = ? AND p.digest = ?)",
            [(size, mac, mac, digest) for (mac, digest), size in sent.items()],
        )
