"""The fleet in pieces that cost the same however many devices there are: for the page and the terminal."""

from __future__ import annotations

from typing import Any

from tools.server import clock, tallies, view
from tools.server.states import ALL, RUNNING
from tools.server.store import Store

PAGE = 100  # devices
PUSHES = 10  # the newest of those that run

_IN_STATE = """
    SELECT mac FROM targets t WHERE state = ? AND mac BETWEEN ? AND ?
        AND push = (SELECT max(push) FROM targets WHERE mac = t.mac)
    ORDER BY mac LIMIT ? OFFSET ?"""
_BY_NAME = "SELECT mac FROM devices WHERE mac BETWEEN ? AND ? ORDER BY mac LIMIT ? OFFSET ?"
_PUSHES = """
    SELECT id FROM pushes WHERE state = ? OR id = (SELECT max(id) FROM pushes) ORDER BY id DESC LIMIT ?"""
_LAST_CHANGED = "SELECT mac FROM targets ORDER BY changed DESC LIMIT ?"


def page(store: Store, offset: int = 0, state: str = "", prefix: str = "") -> dict[str, Any]:
    """{"time", "servers", "pushes", "devices", "offset", "more"}: PAGE devices by MAC from offset on, of
    those in this state, whose MAC begins so. more: whether others follow."""
    reach = (prefix.upper(), prefix.upper() + "~")
    limits = (PAGE + 1, max(0, offset))
    query, values = (_IN_STATE, (state, *reach)) if state in ALL else (_BY_NAME, reach)
    macs = [row[0] for row in store.db.execute(query, (*values, *limits))]
    devices = view.devices(store, clock.of(store), macs=macs[:PAGE])
    return {**_head(store), "devices": devices, "offset": max(0, offset), "more": len(macs) > PAGE}


def recent(store: Store, limit: int) -> dict[str, Any]:
    """The same as view.fleet with at most so many devices: all if there are no more, else those that changed
    last."""
    macs = [row[0] for row in store.db.execute(_BY_NAME, ("", "~", limit + 1, 0))]
    if len(macs) > limit:
        changed = [row[0] for row in store.db.execute(_LAST_CHANGED, (limit,))]
        macs = list(dict.fromkeys([*changed, *macs]))[:limit]
    devices = view.devices(store, clock.of(store), macs=macs)
    return {**_head(store), "known": tallies.known(store.db), "devices": devices}


def _head(store: Store) -> dict[str, Any]:
    numbers = [row[0] for row in store.db.execute(_PUSHES, (RUNNING, PUSHES))]
    return {
        "time": clock.of(store),
        "servers": view.servers(store, clock.of(store)),
        "pushes": [view.push_of(store, number) for number in reversed(numbers)],
    }
