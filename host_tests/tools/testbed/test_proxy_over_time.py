"""The proxy that does harm: troubles that follow each other, begin late, are healed, or last to its end."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from proxied import HELLO, EchoServer, check_silence, connect, read, talk, until

from tools.errors import ToolError
from tools.server.broker import free_port
from tools.testbed.proxy import FaultProxy, Trouble


def test_a_stalled_connection_ends_when_it_is_healed(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("stall", times=None))
    with connect(proxy) as sock:
        check_silence(sock)
        proxy.heal()
        assert sock.recv(1) == b""
    assert talk(proxy) == HELLO


def test_refuse(proxy: FaultProxy, echo: EchoServer) -> None:
    proxy.plan(Trouble("refuse", times=2))
    for _ in range(2):
        with pytest.raises(ConnectionResetError), connect(proxy) as sock:
            sock.recv(1)
    assert talk(proxy) == HELLO
    assert echo.endings == ["end"]
    assert [connection.trouble for connection in proxy.connections] == ["refuse", "refuse", ""]


def test_troubles_queue_up(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("cut", 1, times=2))
    proxy.plan(Trouble("cut", 2))
    proxy.plan(Trouble("cut", 3, times=None))
    assert [len(talk(proxy)) for _ in range(5)] == [1, 1, 2, 3, 3]
    proxy.heal()
    assert talk(proxy) == HELLO


def test_trouble_that_is_not_reached(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("cut", 1000))
    assert talk(proxy) == HELLO
    assert proxy.connections[0].trouble == ""


def test_heal_forgets_what_has_not_begun(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("cut", len(HELLO) + 1))
    with connect(proxy) as sock:
        for _ in range(2):
            sock.sendall(HELLO)
            assert read(sock, len(HELLO)) == HELLO
            proxy.heal()


@pytest.mark.parametrize("kind", ["cut", "reset", "stall"])
@pytest.mark.parametrize("at", [0, 3])
def test_strike(proxy: FaultProxy, kind: str, at: int) -> None:
    """What is open, idle or not, and nothing else."""
    with connect(proxy) as sock:
        sock.sendall(HELLO)
        assert read(sock, len(HELLO)) == HELLO
        proxy.strike(Trouble(kind, at))
        if at:
            sock.sendall(HELLO)
        assert read(sock, at) == HELLO[:at]
        if kind == "cut":
            assert sock.recv(1) == b""
        elif kind == "reset":
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        else:
            check_silence(sock)
    assert talk(proxy) == HELLO


def test_down_and_up(proxy: FaultProxy, echo: EchoServer) -> None:
    port = proxy.port
    with connect(proxy) as sock:
        sock.sendall(HELLO)
        assert read(sock, len(HELLO)) == HELLO
        proxy.down()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert until(lambda: echo.endings == ["reset"])
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.down()
    proxy.up()
    proxy.up()
    assert proxy.port == port
    assert talk(proxy) == HELLO


def test_a_server_that_does_not_listen() -> None:
    with FaultProxy(free_port()) as proxy:
        with pytest.raises(ConnectionResetError), connect(proxy) as sock:
            sock.recv(1)
        assert len(proxy.connections) == 1


@pytest.mark.parametrize("kind", ["stall", "trickle", "garbage"])
def test_nothing_is_left_of_it(echo: EchoServer, kind: str) -> None:
    threads = set(threading.enumerate())
    with FaultProxy(echo.port) as proxy:
        proxy.plan(Trouble(kind, 2, every_ms=60000))
        sock = connect(proxy)
        sock.sendall(HELLO)
        assert read(sock, 2) == HELLO[:2]
        before = set(threading.enumerate()) - threads
        start = time.monotonic()
    assert time.monotonic() - start < 50  # of the 60 s in which the next byte would have gone
    assert until(lambda: echo.endings)
    assert before and until(lambda: not before & set(threading.enumerate()))
    with pytest.raises(ConnectionResetError):
        read(sock, 99)
    sock.close()


def test_a_taken_port_is_a_tool_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ToolError, match="cannot listen"), FaultProxy(1, port):
            pass


def test_a_trouble_that_does_not_exist() -> None:
    for wrong in ({"kind": "storm"}, {"kind": "cut", "direction": "up"}):
        with pytest.raises(ValueError, match="no such trouble"):
            Trouble(**wrong)
