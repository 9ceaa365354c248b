"""The file port against those who come in numbers, say nothing, or do not read what they asked for."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pace
import pytest
from aiohttp import web

from tools.bench.server import memory_mib
from tools.server import doors
from tools.server import web as server_web
from tools.server.doors import Doors
from tools.server.enrolled import Enrolled
from tools.server.health import Health
from tools.server.store import Store
from tools.testbed.served import Served

READERS = 120
MAX_MIB = 60  # more than before, for all of them: half a MiB each


@contextlib.asynccontextmanager
async def opened(handler):
    """The port of a small aiohttp server behind Doors."""
    kept = Doors()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    server = web.Server(handler)
    kept.serve(listener, server, None)
    try:
        yield listener.getsockname()[1]
    finally:
        await kept.close()
        await server.shutdown(1)
        listener.close()


async def ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


async def hello(_: web.BaseRequest) -> web.Response:
    return web.Response(text="hello")


@pytest.mark.parametrize(("in_all", "of_one"), [(5, 100), (100, 5)])
def test_more_than_it_holds_are_turned_away(
    monkeypatch: pytest.MonkeyPatch, in_all: int, of_one: int
) -> None:
    """And when they are gone there is room again."""
    monkeypatch.setattr(doors, "MAX_CONNECTIONS", in_all)
    monkeypatch.setattr(doors, "MAX_PER_HOST", of_one)

    async def crowd() -> None:
        async with opened(hello) as port:
            first = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
            late, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await late.read() == b""
            writer.close()
            for _, one in first:
                one.close()
            while not (await ask(port)).endswith(b"hello"):
                await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(crowd(), pace.HANG_S))


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost:"])
def test_who_asks_for_nothing_is_gone(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(doors, "IDLE_LIMIT_S", 0.2)
    monkeypatch.setattr(doors, "LOOK_S", 0.1)

    async def idle() -> None:
        async with opened(hello) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()

    asyncio.run(asyncio.wait_for(idle(), pace.HANG_S))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_slow_readers_cost_little(served: Served, keys: Path, scheme: str) -> None:
    """They ask for an image and read nothing; others get it meanwhile."""
    image = random.Random(1).randbytes(1_000_000)
    name = hashlib.sha256(image).hexdigest()
    (served.folder / "images").mkdir(exist_ok=True)
    (served.folder / "images" / f"{name}.img").write_bytes(image)
    place = urlsplit(served.images[scheme])
    tls = ssl.create_default_context(cafile=str(keys / "file-ca.crt.pem")) if scheme == "https" else None

    async def read_slowly() -> None:
        asked = f"GET /images/{name}.img HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()
        before, slow = 0.0, []
        for number in range(READERS + 1):
            reader, writer = await asyncio.open_connection(place.hostname, place.port, ssl=tls, limit=1024)
            writer.write(asked)
            await reader.readexactly(100)
            if number == 0:
                before = memory_mib(served.pid)  # with one, and with all that has been loaded for it
            slow.append(writer)
        assert memory_mib(served.pid) - before < MAX_MIB
        reader, writer = await asyncio.open_connection(place.hostname, place.port, ssl=tls)
        writer.write(asked)
        body = await reader.read()
        assert body.endswith(image)
        for one in [*slow, writer]:
            one.transport.abort()

    asyncio.run(asyncio.wait_for(read_slowly(), pace.HANG_S))


@pytest.mark.parametrize(
    ("limits", "first_s", "pause_s"),
    [({"STALL_LIMIT_S": 0.2}, 5, 0), ({"STALL_LIMIT_S": 2, "SLOWEST": 10**10}, 0, 0.05)],
    ids=["nothing for so long", "too little in all"],
)
def test_one_that_reads_too_slowly_is_ended(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    limits: dict[str, float], first_s: float, pause_s: float,
) -> None:  # fmt: skip
    for name, value in limits.items():
        monkeypatch.setattr(server_web, name, value)
    image = random.Random(2).randbytes(8_000_000)
    name = hashlib.sha256(image).hexdigest()
    store = Store(tmp_path, create=True)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / f"{name}.img").write_bytes(image)

    async def read_late() -> None:
        own = keys / "server"
        enrolled = Enrolled(own, store, Health(print), print)
        count = lambda *_: None  # noqa: E731
        async with server_web.Web(store, own, "127.0.0.1", (0, 0), enrolled, count) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.http_port, limit=1024)
            writer.write(f"GET /images/{name}.img HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            await asyncio.sleep(first_s)
            body = 0
            with contextlib.suppress(ConnectionResetError):
                while piece := await reader.read(20_000):
                    body += len(piece)
                    await asyncio.sleep(pause_s)
            assert body < len(image)
            writer.close()

    asyncio.run(asyncio.wait_for(read_late(), pace.HANG_S))
    store.close()
    assert not caplog.records
