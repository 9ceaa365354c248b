"""Listening sockets with limits: how many connections in all and from one address, how long one may idle."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

MAX_CONNECTIONS = 512
MAX_PER_HOST = 256  # many boards may come through one router
IDLE_LIMIT_S = 30  # without a request, or with half of one
HANDSHAKE_LIMIT_S = 20
LOOK_S = 2
BUFFER_BYTES = 65536  # for each connection, in the kernel and in this process


class Doors:
    """Accepts for an aiohttp server. serve() for each port, close() for all of them together."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()  # address -> connections
        self._idle_since: dict[asyncio.BaseTransport, float] = {}
        self._tasks: set[asyncio.Task] = set()

    def serve(self, listener: socket.socket, factory: Callable, tls: ssl.SSLContext | None) -> None:
        if not self._tasks:
            self._start(self._end_idle())
        self._start(self._accept(listener, factory, tls))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def busy(self, transport: asyncio.BaseTransport | None) -> None:
        """A request is answered: its own limits count."""
        if transport is not None:
            self._idle_since.pop(transport, None)

    def idle(self, transport: asyncio.BaseTransport | None) -> None:
        if transport is not None and not transport.is_closing():
            self._idle_since[transport] = time.monotonic()

    def _start(self, work: Coroutine) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket, factory: Callable, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError:  # no file is left, or who came has gone
                await asyncio.sleep(LOOK_S / 10)
                continue
            who = str(address[0])
            if self._of.total() >= MAX_CONNECTIONS or self._of[who] >= MAX_PER_HOST:
                connection.close()
                continue
            self._of[who] += 1
            self._start(self._hold(connection, who, factory, tls))

    async def _hold(
        self, connection: socket.socket, who: str, factory: Callable, tls: ssl.SSLContext | None
    ) -> None:
        """From the handshake to the end of the connection."""
        over = asyncio.Event()
        try:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
                limit_s = HANDSHAKE_LIMIT_S if tls else None
                transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: _Watched(factory(), over), connection, ssl=tls, ssl_handshake_timeout=limit_s
                )
                transport.set_write_buffer_limits(BUFFER_BYTES)
                self.idle(transport)
                await over.wait()
                self.busy(transport)
        finally:
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]
            if not over.is_set():
                connection.close()

    async def _end_idle(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            late = time.monotonic() - IDLE_LIMIT_S
            for transport in [one for one, since in self._idle_since.items() if since < late]:
                self._idle_since.pop(transport, None)
                transport.abort()  # type: ignore[attr-defined]


class _Watched:
    """The protocol of a connection; `over` is set when it has ended. (aiohttp's own has __slots__.)"""

    def __init__(self, protocol: asyncio.Protocol, over: asyncio.Event) -> None:
        self._protocol = protocol
        self._over = over

    def connection_lost(self, error: Exception | None) -> None:
        self._over.set()
        self._protocol.connection_lost(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)
