"""The server's connection to a broker: errors come out as they are, one that hangs up ends nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pace
import pytest

from tools.keys import identities
from tools.server import wire
from tools.server.broker import Broker
from tools.server.mqtt import Link

TOPIC = "somewhere"


def link_to(port: int, keys: Path, take) -> Link:
    login, tls = identities.login(keys / "server"), wire.tls_context(keys / "server", "ota-server")
    return Link(login, ("localhost", port), tls, [(TOPIC, 1)], take, lambda text: None)


def test_an_error_in_taking_a_message_comes_out(keys: Path, tmp_path: Path) -> None:
    def take(_) -> None:
        raise sqlite3.DatabaseError("malformed")

    async def run(port: int) -> None:
        link = link_to(port, keys, take)
        task = asyncio.create_task(link.run())
        while not link.is_up:
            await asyncio.sleep(0.01)
        link.publish(TOPIC, "{}", 1)
        await task

    with Broker(tmp_path / "broker", keys) as broker, pytest.raises(sqlite3.DatabaseError, match="malformed"):
        asyncio.run(asyncio.wait_for(run(broker.servers_port), pace.HANG_S))


class HangsUp:
    """A TLS server that closes each connection as soon as it is there."""

    def __init__(self, keys: Path) -> None:
        self.connections = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(keys / "broker.crt.pem", keys / "broker.key.pem")

    @contextlib.contextmanager
    def listening(self) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            thread.start()
            yield listener.getsockname()[1]
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(pace.HANG_S)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.connections += 1
                with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True):
                    pass


def test_a_broker_that_hangs_up_is_tried_again(keys: Path) -> None:
    """While it connects, messages are to be sent, too."""
    server = HangsUp(keys)

    async def run(port: int) -> None:
        link = link_to(port, keys, lambda _: None)
        task = asyncio.create_task(link.run())
        while server.connections < 5 and not task.done():
            link.publish(TOPIC, "{}", 1)
            await asyncio.sleep(0.001)
        assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    with server.listening() as port:
        asyncio.run(asyncio.wait_for(run(port), pace.HANG_S))
