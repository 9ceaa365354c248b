"""Boards that report through whatever befalls the server, and what of it arrived."""

from __future__ import annotations

import asyncio
import contextlib
import json

from tools.bench import swarm
from tools.server.store import Store
from tools.testbed.served import Served

PATIENCE_S = 10  # for one acknowledgement or connection, then once more: as a board does
PAUSE_S = 0.2
TROUBLE = (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError)


async def connect(board: swarm.Asker, port: int) -> None:
    """Until there is a broker."""
    while True:
        try:
            return await asyncio.wait_for(board.connect(port), PATIENCE_S)
        except TROUBLE:
            await asyncio.sleep(PAUSE_S)


async def report(board: swarm.Asker, port: int, number: int) -> None:
    """One report, again and again until the broker acknowledges it."""
    while True:
        try:
            board.say("progress/report", {"progress": number % 100, "number": number})
            await asyncio.wait_for(board.heard(), PATIENCE_S)
            return
        except TROUBLE:
            await board.close()
            await connect(board, port)


def arrived(served: Served, mac: str) -> set[int]:
    """Their numbers; a server keeps the last hundred reports of a board."""
    with contextlib.closing(Store(served.folder)) as store:
        rows = store.db.execute("SELECT data FROM reports WHERE mac = ?", (mac,)).fetchall()
    return {json.loads(data)["data"].get("number") for (data,) in rows}


def count(served: Served, mac: str) -> int:
    """How many reports of it were taken."""
    with contextlib.closing(Store(served.folder)) as store:
        row = store.db.execute("SELECT reports FROM devices WHERE mac = ?", (mac,)).fetchone()
    return row[0] if row else 0
