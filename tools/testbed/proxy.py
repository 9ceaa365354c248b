"""A TCP proxy on loopback that does to connections what networks do: cuts, resets, stalls, noise.

It stands between a board and any server, and does not look into what it relays: byte counts are of
the TCP stream, TLS included.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from tools.errors import ToolError
from tools.testbed.relay import HOST, Connection, Relay, Side, Trouble

CALL_LIMIT_S = 60  # for everything that a caller waits for
SETTLE_S = 0.01


class FaultProxy:
    """`with FaultProxy(target_port) as proxy:` relays 127.0.0.1:proxy.port to 127.0.0.1:target_port.

    connections: all that came, oldest first. All methods may be called from any thread.
    """

    def __init__(self, target_port: int, port: int = 0) -> None:
        self.target_port = target_port
        self.port = port
        self.connections: list[Connection] = []
        self._troubles: list[Trouble] = []
        self._lock = threading.Lock()
        self._relays: dict[Relay, asyncio.Task[Any]] = {}
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        try:
            self.up()
        except BaseException:
            self._end_loop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        self._end_loop()

    def plan(self, trouble: Trouble) -> None:
        """Troubles queue up: the next one acts when the one before has had its times."""
        with self._lock:
            self._troubles.append(trouble)

    def strike(self, trouble: Trouble) -> None:
        """The same for the connections that are open: at_byte counts from now, `times` says nothing."""
        if trouble.kind == "refuse":
            raise ValueError("what is open cannot be refused")
        self._call(self._strike(trouble))

    def heal(self) -> None:
        """Nothing goes wrong from now on, and connections whose trouble has begun are cut."""
        with self._lock:
            self._troubles.clear()
        self._call(self._heal())

    def down(self) -> None:
        """As a server that dies: nobody listens, and what was open is reset."""
        self._call(self._down())

    def up(self) -> None:
        """Listen again, on the same port. Raises ToolError if another program has it."""
        try:
            self._call(self._up())
        except OSError as error:
            raise ToolError(f"the proxy cannot listen: {error.strerror}") from None

    def _call(self, steps: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(steps, self._loop).result(CALL_LIMIT_S)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_LIMIT_S)
        self._loop.close()

    async def _strike(self, trouble: Trouble) -> None:
        for relay in self._relays:
            relay.strike(trouble)

    async def _heal(self) -> None:
        for relay in self._relays:
            relay.heal()

    async def _up(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, HOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await asyncio.sleep(SETTLE_S)  # until _serve() has seen what was just accepted
        while self._relays:
            tasks = list(self._relays.values())
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)
        await asyncio.sleep(0)  # in which asyncio closes the sockets

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Side(reader, writer)
        if self._server is None:
            client.close(reset=True)
            return
        self.connections.append(Connection())
        relay = Relay(self.connections[-1], self._next_trouble())
        task = asyncio.current_task()
        assert task is not None
        self._relays[relay] = task
        await relay.run(client, self.target_port)
        del self._relays[relay]

    def _next_trouble(self) -> Trouble | None:
        with self._lock:
            while self._troubles and self._troubles[0].times == 0:
                self._troubles.pop(0)
            if not self._troubles:
                return None
            if self._troubles[0].times is not None:
                self._troubles[0].times -= 1
            return self._troubles[0]
