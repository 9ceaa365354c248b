"""One connection through the proxy, and what can go wrong with it. Runs inside the proxy's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import socket
import struct
from dataclasses import dataclass

HOST = "127.0.0.1"
DIRECTIONS = TO_CLIENT, TO_SERVER = ("to_client", "to_server")
KINDS = ("cut", "reset", "stall", "trickle", "garbage", "replace", "refuse")
CONNECT_LIMIT_S = 60
CUT_LIMIT_S = 30  # that the peers have to close a connection that is cut
CHUNK = 16384
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


@dataclass
class Trouble:
    """What goes wrong with the next `times` connections; None = all.

    It begins as soon as at_byte bytes of its direction are through. Kinds:
    cut: both sides see an orderly end. reset: both see a TCP reset.
    stall: nothing more goes through, not even an end; both sides stay open until heal().
    trickle: one byte each every_ms. garbage: the next `length` bytes (None = all) become others.
    replace: instead of the next bytes come `data`, then both sides see an orderly end.
    refuse: reset as soon as it is accepted; the server never hears of it.
    """

    kind: str
    at_byte: int = 0
    direction: str = TO_CLIENT
    every_ms: int = 1000
    length: int | None = None
    data: bytes = b""
    times: int | None = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.direction not in DIRECTIONS:
            raise ValueError(f"no such trouble: {self}")


@dataclass
class Connection:
    """One that a client made: bytes sent on each way, and the kind of trouble that has begun."""

    to_client: int = 0
    to_server: int = 0
    trouble: str = ""


@dataclass
class Side:
    """The client's or the server's end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __post_init__(self) -> None:
        self.writer.transport.set_write_buffer_limits(0)  # drain() waits until the kernel has all
        self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def read_to_end(self) -> None:
        while await self.reader.read(CHUNK):
            pass

    def close(self, reset: bool) -> None:
        if reset:
            sock = self.writer.get_extra_info("socket")
            with contextlib.suppress(OSError):  # it is closed already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()


class Relay:
    """Two ways, until one of them or the proxy says how the connection ends."""

    def __init__(self, connection: Connection, trouble: Trouble | None) -> None:
        self._connection = connection
        self._trouble = trouble
        self._noise = random.Random(0)
        self._flows = True  # until it stalls or ends
        self._ways_ended = 0
        self._ending: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self, client: Side, target_port: int) -> None:
        """From the client's connection to the end of both sides. Cancelled, it resets them."""
        sides = [client]
        ending = "reset"
        try:
            if not self._is_refused():
                connecting = asyncio.open_connection(HOST, target_port)
                sides.append(Side(*await asyncio.wait_for(connecting, CONNECT_LIMIT_S)))
                ending = await self._pump_to_the_end(*sides)
            if ending == "cut":
                await _end_orderly(sides)
        except (OSError, asyncio.TimeoutError, asyncio.CancelledError):
            ending = "reset"
        for side in sides:
            side.close(ending == "reset")

    def strike(self, trouble: Trouble) -> None:
        """Instead of the trouble that was planned."""
        begin = trouble.at_byte + self._count(trouble.direction)
        self._trouble = dataclasses.replace(trouble, at_byte=begin)
        self._end_if_due()

    def heal(self) -> None:
        self._trouble = None
        if self._connection.trouble:
            self._end("cut")

    def _is_refused(self) -> bool:
        if self._trouble is None or self._trouble.kind != "refuse":
            return False
        self._connection.trouble = "refuse"
        return True

    async def _pump_to_the_end(self, client: Side, server: Side) -> str:
        """Returns "cut" or "reset"."""
        self._end_if_due()
        pumps = [
            asyncio.create_task(self._pump(TO_SERVER, client, server)),
            asyncio.create_task(self._pump(TO_CLIENT, server, client)),
        ]
        try:
            return await self._ending
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)

    async def _pump(self, direction: str, source: Side, target: Side) -> None:
        try:
            while (data := await source.reader.read(CHUNK)) and self._flows:
                await self._treat(direction, target, data)
            if self._flows:
                target.writer.write_eof()
                self._ways_ended += 1
                if self._ways_ended == 2:
                    self._end("cut")
        except OSError:
            if self._flows:
                self._end("reset")

    async def _treat(self, direction: str, target: Side, data: bytes) -> None:
        """Send data, or what the trouble makes of it."""
        trouble = self._trouble
        if trouble is None or trouble.direction != direction:
            await self._send(direction, target, data)
            return
        healthy = max(0, trouble.at_byte - self._count(direction))
        await self._send(direction, target, data[:healthy])
        self._end_if_due()
        if data[healthy:] and self._flows:
            self._connection.trouble = trouble.kind
            await self._maltreat(trouble, target, data[healthy:])

    async def _maltreat(self, trouble: Trouble, target: Side, data: bytes) -> None:
        if trouble.kind == "replace":
            await self._send(trouble.direction, target, trouble.data)
            self._end("cut")
        elif trouble.kind == "garbage":
            await self._send(trouble.direction, target, self._garble(trouble, data))
        else:
            for byte in data:
                await asyncio.sleep(trouble.every_ms / 1000)
                if not self._flows:
                    break
                await self._send(trouble.direction, target, bytes([byte]))

    def _garble(self, trouble: Trouble, data: bytes) -> bytes:
        """No byte stays what it was, up to `length` bytes from at_byte on."""
        end = len(data)
        if trouble.length is not None:
            end = max(0, trouble.at_byte + trouble.length - self._count(trouble.direction))
        garbage = bytes((byte + self._noise.randint(1, 255)) & 255 for byte in data[:end])
        return garbage + data[end:]

    async def _send(self, direction: str, target: Side, data: bytes) -> None:
        # Counted first: the receiver of the last byte may look before this task runs again.
        setattr(self._connection, direction, self._count(direction) + len(data))
        target.writer.write(data)
        await target.writer.drain()

    def _count(self, direction: str) -> int:
        return int(getattr(self._connection, direction))

    def _end_if_due(self) -> None:
        """These troubles do not wait for the next byte."""
        trouble = self._trouble
        if trouble is None or trouble.kind not in ("cut", "reset", "stall"):
            return
        if self._count(trouble.direction) >= trouble.at_byte:
            self._connection.trouble = trouble.kind
            self._end(trouble.kind)

    def _end(self, ending: str) -> None:
        self._flows = False
        if ending != "stall" and not self._ending.done():
            self._ending.set_result(ending)


async def _end_orderly(sides: list[Side]) -> None:
    """A side that is closed with bytes unread sends a reset: so read until the peers have ended too."""
    for side in sides:
        side.writer.write_eof()
    ends = asyncio.gather(*(side.read_to_end() for side in sides), return_exceptions=True)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(ends, CUT_LIMIT_S)
