"""How many devices of a push are in which state: kept by the database's triggers, so nobody has to count."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from tools.server.states import IN_THE_AIR, LOST

NO_LIMIT = 1 << 62


def of(db: sqlite3.Connection | sqlite3.Cursor, push: int) -> dict[str, int]:
    query = "SELECT state, devices FROM tallies WHERE push = ? AND devices > 0"
    return {row[0]: row[1] for row in db.execute(query, (push,)).fetchall()}


def count(db: sqlite3.Connection | sqlite3.Cursor, push: int, states: Iterable[str]) -> int:
    """Devices of this push in one of the states."""
    found = of(db, push)
    return sum(found.get(state, 0) for state in states)


def room(db: sqlite3.Connection | sqlite3.Cursor, push: int, max_failures: int) -> int:
    """How many more devices may get their first offer: should all that are in the air fail, those that failed
    are no more than max_failures, 0 = any number."""
    return max(max_failures - count(db, push, (*IN_THE_AIR, *LOST)), 0) if max_failures else NO_LIMIT


def known(db: sqlite3.Connection | sqlite3.Cursor) -> int:
    """All devices."""
    return of(db, 0).get("known", 0)
