"""The fleet as plain data, the same for `devices`, `push`, the terminal and the page."""

from __future__ import annotations

import datetime
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from tools.server.states import CONFIRMED, LOST, QUEUED, RUNNING, UNDER_WAY, words
from tools.server.store import Store

CERTIFICATE_WARNING_S = 90 * 86400
SERVER_SILENT_S = 5
NOT_OFFERED = "not offered"
ORDER = (CONFIRMED, *reversed(UNDER_WAY), QUEUED, NOT_OFFERED, *LOST)  # as a bar shows it

_DEVICES = """
    SELECT d.*, t.push, t.state, t.progress, t.code AS target_code, t.cause AS target_cause, t.bytes,
        t.offers, t.changed, p.version AS offered, p.state AS push_state, p.digest, i.size,
        (SELECT group_concat(tag, ' ') FROM tags WHERE tags.mac = d.mac) AS tags
    FROM devices d
    LEFT JOIN targets t ON t.mac = d.mac AND t.push = {push}
    LEFT JOIN pushes p ON p.id = t.push
    LEFT JOIN images i ON i.digest = p.digest
    {where} ORDER BY d.mac"""
_NEWEST = "(SELECT max(push) FROM targets WHERE mac = d.mac)"


def fleet(store: Store) -> dict[str, Any]:
    """{"time", "servers", "pushes", "devices"}: what `devices --json` prints and the page fetches."""
    now = time.time()
    query = "SELECT id FROM pushes WHERE state = ? OR id = (SELECT max(id) FROM pushes) ORDER BY id"
    numbers = [row[0] for row in store.db.execute(query, (RUNNING,))]
    return {
        "time": now,
        "servers": servers(store, now),
        "pushes": [push_of(store, number) for number in numbers],
        "devices": devices(store, now),
    }


def devices(
    store: Store, now: float, push: int | None = None, macs: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """One dict each: all devices (or these) in their newest push, or those of one push."""
    where = "" if macs is None else f"WHERE d.mac IN ({', '.join('?' * len(macs))})"
    query = _DEVICES.format(push=_NEWEST, where=where)
    if push is not None:
        query = _DEVICES.format(push=push, where="WHERE t.push IS NOT NULL")
    cursor = store.db.cursor()
    cursor.row_factory = sqlite3.Row
    return [_device(row, now) for row in cursor.execute(query, macs or ())]


def _device(row: sqlite3.Row, now: float) -> dict[str, Any]:
    error = words(row["code"], row["cause"])
    if row["state"] in LOST or (row["state"] and row["target_code"]):
        error = words(row["target_code"], row["target_cause"])
    elif row["state"] == CONFIRMED and (row["failed_at"] or 0) <= row["changed"]:
        error = ""  # overcome
    return {
        "mac": row["mac"],
        "tags": (row["tags"] or "").split(),
        "version": row["version"],
        "build_time": row["build_time"],
        "slot": row["slot"],
        "seen": row["seen"],
        "gets": row["gets"],
        "state": _state(row),
        "progress": row["progress"] or 0,
        "push": row["push"],
        "offered": row["offered"],
        "offers": row["offers"] or 0,
        "bytes": row["bytes"] or 0,
        "size": row["size"],
        "code": row["target_code"] if row["state"] in LOST else row["code"],
        "error": error,
        "failed_at": row["failed_at"],
        "certificate_ends": row["certificate_ends"],
        "warning": certificate_warning(row["certificate_ends"], now),
    }


def _state(row: sqlite3.Row) -> str:
    if row["state"] == QUEUED and row["push_state"] != RUNNING:
        return NOT_OFFERED if not row["offers"] else QUEUED
    return row["state"] or ""


def certificate_warning(ends: float | None, now: float) -> str:
    if ends is None or ends - now > CERTIFICATE_WARNING_S:
        return ""
    day = datetime.datetime.fromtimestamp(ends, datetime.timezone.utc).date()
    return f"certificate {'ends' if ends > now else 'ended'} {day}"


def push_of(store: Store, number: int) -> dict[str, Any]:
    """Its facts and how many devices are in each state."""
    cursor = store.db.cursor()
    cursor.row_factory = sqlite3.Row
    row = cursor.execute("SELECT * FROM pushes WHERE id = ?", (number,)).fetchone()
    counts = _counts(store, row)
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


def _counts(store: Store, push: sqlite3.Row) -> dict[str, int]:
    """state -> how many devices of the push are in it, from an index alone."""
    query = "SELECT state, COUNT(*) FROM targets WHERE push = ? GROUP BY state"
    found = dict(store.db.execute(query, (push["id"],)).fetchall())
    if push["state"] != RUNNING and QUEUED in found:
        query = "SELECT COUNT(*) FROM targets WHERE push = ? AND state = ? AND offers = 0"
        (found[NOT_OFFERED],) = store.db.execute(query, (push["id"], QUEUED)).fetchone()
        found[QUEUED] -= found[NOT_OFFERED]
    return {state: found[state] for state in ORDER if found.get(state)}


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
    return any(server["up"] for server in servers(store, time.time()))
