"""What an operator wants: a push to some devices, its end, and which devices there are."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Iterable
from typing import Any

from tools.errors import ToolError
from tools.server.states import CANCELLED, CONFIRMED, DONE, QUEUED, REVOKED, RUNNING, STOPPED, UNDER_WAY
from tools.server.store import Store

MOST_COUNTED = 10_000  # devices that fetch between two looks
_BUSY = f"""
    SELECT t.mac, t.push FROM targets t JOIN pushes p ON p.id = t.push
    WHERE t.mac = ? AND (t.state IN {UNDER_WAY} OR (t.state = '{QUEUED}' AND p.state = '{RUNNING}'))"""


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
    so many failures and silences, 0 = never mind. silence_s: a board not heard of for so long is silent.
    Raises ToolError if a device is in another push.
    """
    now = time.time()
    with store.transaction() as db:
        for mac in macs:
            busy = db.execute(_BUSY, (mac,)).fetchone()
            if busy:
                raise ToolError(f"{mac} is still in push {busy[1]}: wait for its end, or --cancel it")
        row = (digest, offer["version"], json.dumps(offer), max_failures, silence_s, RUNNING, now)
        push = db.execute(
            "INSERT INTO pushes (digest, version, offer, max_failures, silence_s, state, made)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        ).lastrowid
        for mac in macs:
            _add_target(db, int(push or 0), mac, offer["version"], at, random.uniform(0, jitter_s), now)
        db.execute(  # all have it already: nobody has to serve for that
            "UPDATE pushes SET state = ? WHERE id = ? AND NOT EXISTS"
            " (SELECT 1 FROM targets WHERE push = pushes.id AND state != ?)",
            (DONE, push, CONFIRMED),
        )
    return int(push or 0)


def _add_target(
    db: sqlite3.Connection, push: int, mac: str, version: str, at: int, later_s: float, now: float
) -> None:
    """A board that runs the version already is not asked to install it."""
    (running,) = db.execute("SELECT version FROM devices WHERE mac = ?", (mac,)).fetchone()
    state, progress = (CONFIRMED, 100) if running == version else (QUEUED, 0)
    due, starts_at = (now, int(at + later_s)) if at else (now + later_s, 0)
    db.execute(
        "INSERT INTO targets (mac, push, state, progress, due, starts_at, changed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (mac, push, state, progress, due, starts_at, now),
    )


def cancel(store: Store) -> list[int]:
    """End all pushes that run: no more offers. Returns their numbers."""
    with store.transaction() as db:
        running = [row[0] for row in db.execute("SELECT id FROM pushes WHERE state = ?", (RUNNING,))]
        db.execute("UPDATE pushes SET state = ? WHERE state = ?", (CANCELLED, RUNNING))
    return running


def is_over(store: Store, push: int) -> bool:
    """No more offers, and, unless it was cancelled, a verdict of each device that got one."""
    (state,) = store.db.execute("SELECT state FROM pushes WHERE id = ?", (push,)).fetchone()
    if state != STOPPED:
        return state != RUNNING
    query = f"SELECT COUNT(*) FROM targets WHERE push = ? AND state IN {UNDER_WAY}"
    return store.db.execute(query, (push,)).fetchone()[0] == 0


def has_confirmed_all(store: Store, push: int) -> bool:
    query = "SELECT COUNT(*) FROM targets WHERE push = ? AND state != ?"
    return store.db.execute(query, (push, CONFIRMED)).fetchone()[0] == 0


# Devices


def know(store: Store, certificates: dict[str, float]) -> None:
    """certificates: MAC -> when the device's certificate ends. They are devices before they say a word."""
    with store.transaction() as db:
        db.executemany(
            "INSERT INTO devices (mac, certificate_ends) VALUES (?, ?)"
            " ON CONFLICT (mac) DO UPDATE SET certificate_ends = excluded.certificate_ends",
            certificates.items(),
        )


def all_devices(store: Store) -> list[str]:
    """But those that were revoked."""
    query = "SELECT mac FROM devices WHERE certificate_ends IS NOT ? ORDER BY mac"
    return [row[0] for row in store.db.execute(query, (REVOKED,))]


def check(store: Store, macs: Iterable[str]) -> list[str]:
    """The same without doubles. Raises ToolError for one that nobody knows."""
    known = {row[0] for row in store.db.execute("SELECT mac FROM devices")}
    wanted = list(dict.fromkeys(macs))
    for mac in wanted:
        if mac not in known:
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
