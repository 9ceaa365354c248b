"""The proxy that does harm: each kind of trouble, seen from the client's and from the server's side."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
from proxied import HELLO, NOTHING_S, EchoServer, check_silence, connect, read, talk, until

from tools.testbed.proxy import FaultProxy, Trouble

CONTENT = bytes(range(256)) * 4000
NAGLE_S = 0.04  # what each small piece would take with Nagle's algorithm
AT = [0, 1, 7, len(HELLO) - 1]


def test_without_trouble_everything_goes_through(proxy: FaultProxy, echo: EchoServer) -> None:
    with connect(proxy) as sock:
        sender = threading.Thread(target=sock.sendall, args=(CONTENT,))
        sender.start()
        assert read(sock, len(CONTENT)) == CONTENT
        sender.join()
    assert until(lambda: echo.endings == ["end"])
    (connection,) = proxy.connections
    assert (connection.to_server, connection.to_client) == (len(CONTENT), len(CONTENT))
    assert connection.trouble == ""


def test_one_side_may_end_before_the_other(proxy: FaultProxy) -> None:
    assert talk(proxy) == HELLO


def test_small_pieces_are_not_held_back(proxy: FaultProxy) -> None:
    with connect(proxy) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert until(lambda: _takes_less(sock, NAGLE_S) and _takes_less(sock, NAGLE_S))


def _takes_less(sock: socket.socket, limit_s: float) -> bool:
    """Do ten pairs of bytes go there and back in less than ten times that, on average?"""
    start = time.monotonic()
    for _ in range(10):
        sock.sendall(b"a")
        sock.sendall(b"b")
        assert read(sock, 2) == b"ab"
    return time.monotonic() - start < 10 * limit_s


@pytest.mark.parametrize("at", AT)
def test_cut(proxy: FaultProxy, echo: EchoServer, at: int) -> None:
    proxy.plan(Trouble("cut", at))
    with connect(proxy) as sock:
        sock.sendall(HELLO)
        assert read(sock, 99) == HELLO[:at]
    assert until(lambda: echo.endings == ["end"])
    assert (proxy.connections[0].to_client, proxy.connections[0].trouble) == (at, "cut")
    assert talk(proxy) == HELLO


@pytest.mark.parametrize("at", AT)
def test_reset(proxy: FaultProxy, echo: EchoServer, at: int) -> None:
    proxy.plan(Trouble("reset", at))
    received = b""
    with pytest.raises(ConnectionResetError), connect(proxy) as sock:  # which may notice it itself
        sock.sendall(HELLO)
        received = read(sock, at)
        read(sock, 99)
    assert at == 0 or received == HELLO[:at]
    assert until(lambda: echo.endings == ["reset"])


@pytest.mark.parametrize("at", AT)
@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_trouble_on_the_way_to_the_server(proxy: FaultProxy, echo: EchoServer, kind: str, at: int) -> None:
    proxy.plan(Trouble(kind, at, "to_server"))
    may_notice = [ConnectionResetError] if kind == "reset" else []
    with contextlib.suppress(*may_notice), connect(proxy) as sock:
        sock.sendall(HELLO)
        assert until(lambda: echo.endings)
    assert until(lambda: echo.endings) and echo.endings == ["end" if kind == "cut" else "reset"]
    assert b"".join(echo.received) == HELLO[:at]
    assert proxy.connections[0].to_server == at


@pytest.mark.parametrize("at", AT)
def test_stall(proxy: FaultProxy, echo: EchoServer, at: int) -> None:
    """Nothing goes through either way, not even that the client has gone."""
    proxy.plan(Trouble("stall", at))
    with connect(proxy) as sock:
        sock.sendall(HELLO)
        assert read(sock, at) == HELLO[:at]
        check_silence(sock)
        came = b"".join(echo.received)
        sock.sendall(b"more")
        check_silence(sock)
    time.sleep(NOTHING_S)
    assert b"".join(echo.received) == came
    assert echo.endings == []
    proxy.heal()
    assert until(lambda: echo.endings == ["end"])


@pytest.mark.parametrize("direction", ["to_client", "to_server"])
def test_trickle(proxy: FaultProxy, direction: str) -> None:
    proxy.plan(Trouble("trickle", 4, direction, every_ms=40))
    with connect(proxy) as sock:
        sock.sendall(HELLO)
        assert read(sock, 4) == HELLO[:4]
        start = time.monotonic()
        assert read(sock, len(HELLO) - 4) == HELLO[4:]
        assert time.monotonic() - start >= 11 * 0.04


@pytest.mark.parametrize("direction", ["to_client", "to_server"])
@pytest.mark.parametrize("length", [None, 1, 5])
def test_garbage(proxy: FaultProxy, direction: str, length: int | None) -> None:
    """As many bytes as before, every one of them wrong, and the same the next time."""
    proxy.plan(Trouble("garbage", 6, direction, length=length, times=2))
    first, second = talk(proxy), talk(proxy)
    end = len(HELLO) if length is None else 6 + length
    assert first == second
    assert (len(first), first[:6], first[end:]) == (len(HELLO), HELLO[:6], HELLO[end:])
    assert all(a != b for a, b in zip(first[6:end], HELLO[6:end], strict=True))
    assert talk(proxy) == HELLO


def test_garbage_over_many_pieces(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("garbage", 50000, length=100000))
    with connect(proxy) as sock:
        sender = threading.Thread(target=sock.sendall, args=(CONTENT,))
        sender.start()
        received = read(sock, len(CONTENT))
        sender.join()
    assert (received[:50000], received[150000:]) == (CONTENT[:50000], CONTENT[150000:])
    assert all(a != b for a, b in zip(received[50000:150000], CONTENT[50000:150000], strict=True))


def test_replace(proxy: FaultProxy, echo: EchoServer) -> None:
    proxy.plan(Trouble("replace", 3, data=b"xyz and more than there was"))
    with connect(proxy) as sock:
        sock.sendall(HELLO)
        assert read(sock, 99) == HELLO[:3] + b"xyz and more than there was"
    assert until(lambda: echo.endings == ["end"])


def test_replace_waits_for_what_it_replaces(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("replace", data=b"no"))
    with connect(proxy) as sock:
        check_silence(sock)
        sock.sendall(HELLO)
        assert read(sock, 99) == b"no"
