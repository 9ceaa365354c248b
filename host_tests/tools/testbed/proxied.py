"""A client's view of what goes through the proxy, and an echo server behind it."""

from __future__ import annotations

import socket
import socketserver
import time

import pace
import pytest

from tools.testbed.proxy import FaultProxy

HELLO = b"0123456789abcdef"
WAIT_S = pace.HANG_S
NOTHING_S = 0.3


class _Echo(socketserver.BaseRequestHandler):
    """Sends back what comes, and tells how it ended."""

    def handle(self) -> None:
        ending = "end"
        try:
            while data := self.request.recv(65536):
                self.server.received.append(data)
                self.request.sendall(data)
        except OSError:
            ending = "reset"
        self.server.endings.append(ending)


class EchoServer(socketserver.ThreadingTCPServer):
    """received: all the bytes that came, in pieces; endings: "end" or "reset" for each connection."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.port = self.server_address[1]
        self.received: list[bytes] = []
        self.endings: list[str] = []


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=WAIT_S)


def read(sock: socket.socket, count: int) -> bytes:
    """So many bytes, fewer if the stream ends before."""
    received = b""
    while len(received) < count and (data := sock.recv(count - len(received))):
        received += data
    return received


def talk(proxy: FaultProxy, data: bytes = HELLO) -> bytes:
    """Send data and an end; returns what comes back until there is an end, too."""
    with connect(proxy) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return read(sock, len(data) + 1)


def until(condition) -> bool:
    deadline = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(condition())


def check_silence(sock: socket.socket) -> None:
    sock.settimeout(NOTHING_S)
    with pytest.raises(TimeoutError):
        sock.recv(1)
    sock.settimeout(WAIT_S)
