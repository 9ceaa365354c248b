"""The proxy that does harm, before an echo server."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from proxied import WAIT_S, EchoServer

from tools.testbed.proxy import FaultProxy


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(WAIT_S)


@pytest.fixture
def proxy(echo: EchoServer) -> Iterator[FaultProxy]:
    with FaultProxy(echo.port) as proxy:
        yield proxy
