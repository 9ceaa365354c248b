"""The fleet as plain data, the same for `devices`, `push`, the terminal and the page."""

from __future__ import annotations

import datetime
import sqlite3
from typing import Any

from tools.server import clock, tallies
from tools.server.states import (
    BEGUN,
    CANCELLED,
    CANCELLING,
    CONFIRMED,
    IN_THE_AIR,
    LOST,
    NOT_OFFERED,
    NOT_RECALLABLE,
    OFFERED,
    QUEUED,
    RECALLED,
    RETRYING,
    REVOKED,
    RUNNING,
    WAITING,
    words,
)  # fmt: skip
from tools.server.store import Store

CERTIFICATE_WARNING_S = 90 * 86400
SERVER_SILENT_S = 5
SHOWN = 100  # devices in a table that lives: of a larger fleet those that need a look
ORDER = (
    CONFIRMED, *reversed(IN_THE_AIR), QUEUED, NOT_OFFERED, *LOST, CANCELLING, NOT_RECALLABLE, CANCELLED,
)  # fmt: skip
_LOOK = (*LOST, *RECALLED, *BEGUN, RETRYING, WAITING, OFFERED, QUEUED, NOT_OFFERED, CANCELLED, CONFIRMED)

_DEVICES = """
    SELECT d.*, t.push, t.state AS target_state, t.progress, t.code AS target_code, t.cause AS target_cause,
        t.bytes, t.offers, t.changed, t.due, t.starts_at, p.version AS offered, p.digest, i.size,
        (SELECT group_concat(tag, ' ') FROM tags WHERE tags.mac = d.mac) AS tags,
        (SELECT group_concat(ps.version || ' of push ' || ts.push || ' ' || ts.state, '; ')
            FROM targets ts JOIN pushes ps ON ps.id = ts.push
            WHERE ts.mac = d.mac AND ts.push < t.push AND ts.state IN {recalled}) AS earlier
    FROM {devices}
    LEFT JOIN pushes p ON p.id = t.push
    LEFT JOIN images i ON i.digest = p.digest
    {where} ORDER BY d.mac"""
_NEWEST = """devices d LEFT JOIN targets t
        ON t.mac = d.mac AND t.push = (SELECT max(push) FROM targets WHERE mac = d.mac)"""
_OF_PUSH = "targets t JOIN devices d ON d.mac = t.mac"


def fleet(store: Store) -> dict[str, Any]:
    """{"time", "servers", "pushes", "known", "devices"}: what `devices --json` prints, all of it; for less
    see pages.py. known: how many devices there are."""
    now = clock.of(store)
    newest = store.db.execute("SELECT max(id) FROM pushes").fetchone()[0]
    query = "SELECT id FROM pushes WHERE state = ?"
    numbers = {row[0] for row in store.db.execute(query, (RUNNING,))} | ({newest} if newest else set())
    return {
        "time": now,
        "servers": servers(store, now),
        "pushes": [push_of(store, number) for number in sorted(numbers)],
        "known": tallies.known(store.db),
        "devices": devices(store, now),
    }


def push(store: Store, number: int) -> dict[str, Any]:
    """The same of one push, of a large one with the SHOWN devices that need a look most."""
    now = clock.of(store)
    facts = push_of(store, number)
    macs = None if facts["devices"] <= SHOWN else _worth_a_look(store, number)
    rows = devices(store, now, number, macs)
    return {"time": now, "pushes": [facts], "known": facts["devices"], "devices": rows}


def _worth_a_look(store: Store, push: int) -> list[str]:
    """MACs: first of devices that have failed, then of those that are at it."""
    found: dict[str, None] = {}
    query = "SELECT mac FROM targets WHERE push = ? AND state = ? LIMIT ?"
    for state in _LOOK:
        found.update((row[0], None) for row in store.db.execute(query, (push, state, SHOWN)))
    return list(found)[:SHOWN]


def devices(
    store: Store, now: float, push: int | None = None, macs: list[str] | None = None
) -> list[dict[str, Any]]:
    """One dict each, by MAC: devices in their newest push, or those of one push; all of them, or these."""
    conditions, values = [], []
    if push is not None:
        conditions.append("t.push = ?")
        values.append(push)
    if macs is not None:
        conditions.append(f"d.mac IN ({', '.join('?' * len(macs))})")
        values += macs
    where = "WHERE " + " AND ".join(conditions) if conditions else ""
    query = _DEVICES.format(devices=_NEWEST if push is None else _OF_PUSH, where=where, recalled=RECALLED)
    cursor = store.db.cursor()
    cursor.row_factory = sqlite3.Row
    return [_device(row, now) for row in cursor.execute(query, values)]


def _device(row: sqlite3.Row, now: float) -> dict[str, Any]:
    error = words(row["code"], row["cause"])
    state = row["target_state"]
    if state in (*LOST, *RECALLED, CANCELLED) or (state and row["target_code"]):
        error = words(row["target_code"], row["target_cause"])
    elif state == CONFIRMED and (row["failed_at"] or 0) <= row["changed"]:
        error = ""  # overcome
    return {
        "mac": row["mac"],
        "tags": (row["tags"] or "").split(),
        "version": row["version"],
        "build_time": row["build_time"],
        "slot": row["slot"],
        "seen": row["seen"],
        "gets": row["gets"],
        "board_state": row["state"] or "",
        "state": state or "",
        "waits_until": _waits_until(row, now),
        "earlier": row["earlier"] or "",
        "progress": row["progress"] or 0,
        "push": row["push"],
        "offered": row["offered"],
        "offers": row["offers"] or 0,
        "bytes": row["bytes"] or 0,
        "size": row["size"],
        "code": row["target_code"] if state in LOST else row["code"],
        "error": error,
        "failed_at": row["failed_at"],
        "certificate_ends": row["certificate_ends"],
        "warning": certificate_warning(row["certificate_ends"], now),
    }


def _waits_until(row: sqlite3.Row, now: float) -> float | None:
    """Unix s: when the board starts, or gets its offer. None for what waits for nothing, or for the board."""
    state, until = row["target_state"], 0.0
    if state in (QUEUED, RETRYING):
        until = max(row["due"], row["starts_at"])
    elif state in (OFFERED, WAITING, *RECALLED):
        until = row["starts_at"]
    return until if until > now else None


def certificate_warning(ends: float | None, now: float) -> str:
    if ends is None or ends - now > CERTIFICATE_WARNING_S:
        return ""
    if ends == REVOKED:
        return "certificate revoked"
    day = datetime.datetime.fromtimestamp(ends, datetime.timezone.utc).date()
    return f"certificate {'expires' if ends > now else 'expired'} {day}"


def push_of(store: Store, number: int) -> dict[str, Any]:
    """Its facts and how many devices are in each state."""
    cursor = store.db.cursor()
    cursor.row_factory = sqlite3.Row
    row = cursor.execute("SELECT * FROM pushes WHERE id = ?", (number,)).fetchone()
    found = tallies.of(store.db, number)
    counts = {state: found[state] for state in ORDER if state in found}
    return {
        "push": number,
        "version": row["version"],
        "state": row["state"],
        "note": row["note"],
        "made": row["made"],
        "devices": sum(counts.values()),
        "confirmed": counts.get(CONFIRMED, 0),
        "counts": counts,
    }


def summary(push: dict[str, Any]) -> str:
    """ "push 3, 1.0.1 to 20 devices: stopped (2 failed); 14 confirmed, 2 failed, 4 not offered"."""
    note = f" ({push['note']})" if push["note"] else ""
    counts = ", ".join(f"{count} {state}" for state, count in push["counts"].items())
    to = f"{push['devices']} device{'' if push['devices'] == 1 else 's'}"
    return f"push {push['push']}, {push['version']} to {to}: {push['state']}{note}; {counts}"


def servers(store: Store, now: float) -> list[dict[str, Any]]:
    rows = store.db.execute("SELECT name, seen, answered FROM servers ORDER BY name").fetchall()
    return [
        {"name": name, "up": now - seen < SERVER_SILENT_S, "answered": answered}
        for name, seen, answered in rows
    ]


def is_served(store: Store) -> bool:
    return any(server["up"] for server in servers(store, clock.of(store)))
