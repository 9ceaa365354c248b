"""The proxy that does harm: each kind of trouble, seen from the client's and from the server's side."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pace
import pytest

from tools.errors import ToolError
from tools.server.broker import free_port
from tools.testbed.proxy import FaultProxy, Trouble

CONTENT = bytes(range(256)) * 4000
HELLO = b"0123456789abcdef"
WAIT_S = pace.HANG_S
NOTHING_S = 0.3
NAGLE_S = 0.04  # what each small piece would take with Nagle's algorithm
AT = [0, 1, 7, len(HELLO) - 1]


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


def _connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=WAIT_S)


def _read(sock: socket.socket, count: int) -> bytes:
    """So many bytes, fewer if the stream ends before."""
    received = b""
    while len(received) < count and (data := sock.recv(count - len(received))):
        received += data
    return received


def _talk(proxy: FaultProxy, data: bytes = HELLO) -> bytes:
    """Send data and an end; returns what comes back until there is an end, too."""
    with _connect(proxy) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return _read(sock, len(data) + 1)


def _until(condition) -> bool:
    deadline = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(condition())


def _check_silence(sock: socket.socket) -> None:
    sock.settimeout(NOTHING_S)
    with pytest.raises(TimeoutError):
        sock.recv(1)
    sock.settimeout(WAIT_S)


def test_without_trouble_everything_goes_through(proxy: FaultProxy, echo: EchoServer) -> None:
    with _connect(proxy) as sock:
        sender = threading.Thread(target=sock.sendall, args=(CONTENT,))
        sender.start()
        assert _read(sock, len(CONTENT)) == CONTENT
        sender.join()
    assert _until(lambda: echo.endings == ["end"])
    (connection,) = proxy.connections
    assert (connection.to_server, connection.to_client) == (len(CONTENT), len(CONTENT))
    assert connection.trouble == ""


def test_one_side_may_end_before_the_other(proxy: FaultProxy) -> None:
    assert _talk(proxy) == HELLO


def test_small_pieces_are_not_held_back(proxy: FaultProxy) -> None:
    with _connect(proxy) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert _until(lambda: _takes_less(sock, NAGLE_S) and _takes_less(sock, NAGLE_S))


def _takes_less(sock: socket.socket, limit_s: float) -> bool:
    """Do ten pairs of bytes go there and back in less than ten times that, on average?"""
    start = time.monotonic()
    for _ in range(10):
        sock.sendall(b"a")
        sock.sendall(b"b")
        assert _read(sock, 2) == b"ab"
    return time.monotonic() - start < 10 * limit_s


@pytest.mark.parametrize("at", AT)
def test_cut(proxy: FaultProxy, echo: EchoServer, at: int) -> None:
    proxy.plan(Trouble("cut", at))
    with _connect(proxy) as sock:
        sock.sendall(HELLO)
        assert _read(sock, 99) == HELLO[:at]
    assert _until(lambda: echo.endings == ["end"])
    assert (proxy.connections[0].to_client, proxy.connections[0].trouble) == (at, "cut")
    assert _talk(proxy) == HELLO


@pytest.mark.parametrize("at", AT)
def test_reset(proxy: FaultProxy, echo: EchoServer, at: int) -> None:
    proxy.plan(Trouble("reset", at))
    received = b""
    with pytest.raises(ConnectionResetError), _connect(proxy) as sock:  # which may notice it itself
        sock.sendall(HELLO)
        received = _read(sock, at)
        _read(sock, 99)
    assert at == 0 or received == HELLO[:at]
    assert _until(lambda: echo.endings == ["reset"])


@pytest.mark.parametrize("at", AT)
@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_trouble_on_the_way_to_the_server(proxy: FaultProxy, echo: EchoServer, kind: str, at: int) -> None:
    proxy.plan(Trouble(kind, at, "to_server"))
    may_notice = [ConnectionResetError] if kind == "reset" else []
    with contextlib.suppress(*may_notice), _connect(proxy) as sock:
        sock.sendall(HELLO)
        assert _until(lambda: echo.endings)
    assert _until(lambda: echo.endings) and echo.endings == ["end" if kind == "cut" else "reset"]
    assert b"".join(echo.received) == HELLO[:at]
    assert proxy.connections[0].to_server == at


@pytest.mark.parametrize("at", AT)
def test_stall(proxy: FaultProxy, echo: EchoServer, at: int) -> None:
    """Nothing goes through either way, not even that the client has gone."""
    proxy.plan(Trouble("stall", at))
    with _connect(proxy) as sock:
        sock.sendall(HELLO)
        assert _read(sock, at) == HELLO[:at]
        _check_silence(sock)
        came = b"".join(echo.received)
        sock.sendall(b"more")
        _check_silence(sock)
    time.sleep(NOTHING_S)
    assert b"".join(echo.received) == came
    assert echo.endings == []
    proxy.heal()
    assert _until(lambda: echo.endings == ["end"])


def test_a_stalled_connection_ends_when_it_is_healed(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("stall", times=None))
    with _connect(proxy) as sock:
        _check_silence(sock)
        proxy.heal()
        assert sock.recv(1) == b""
    assert _talk(proxy) == HELLO


@pytest.mark.parametrize("direction", ["to_client", "to_server"])
def test_trickle(proxy: FaultProxy, direction: str) -> None:
    proxy.plan(Trouble("trickle", 4, direction, every_ms=40))
    with _connect(proxy) as sock:
        sock.sendall(HELLO)
        assert _read(sock, 4) == HELLO[:4]
        start = time.monotonic()
        assert _read(sock, len(HELLO) - 4) == HELLO[4:]
        assert time.monotonic() - start >= 11 * 0.04


@pytest.mark.parametrize("direction", ["to_client", "to_server"])
@pytest.mark.parametrize("length", [None, 1, 5])
def test_garbage(proxy: FaultProxy, direction: str, length: int | None) -> None:
    """As many bytes as before, every one of them wrong, and the same the next time."""
    proxy.plan(Trouble("garbage", 6, direction, length=length, times=2))
    first, second = _talk(proxy), _talk(proxy)
    end = len(HELLO) if length is None else 6 + length
    assert first == second
    assert (len(first), first[:6], first[end:]) == (len(HELLO), HELLO[:6], HELLO[end:])
    assert all(a != b for a, b in zip(first[6:end], HELLO[6:end], strict=True))
    assert _talk(proxy) == HELLO


def test_garbage_over_many_pieces(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("garbage", 50000, length=100000))
    with _connect(proxy) as sock:
        sender = threading.Thread(target=sock.sendall, args=(CONTENT,))
        sender.start()
        received = _read(sock, len(CONTENT))
        sender.join()
    assert (received[:50000], received[150000:]) == (CONTENT[:50000], CONTENT[150000:])
    assert all(a != b for a, b in zip(received[50000:150000], CONTENT[50000:150000], strict=True))


def test_replace(proxy: FaultProxy, echo: EchoServer) -> None:
    proxy.plan(Trouble("replace", 3, data=b"xyz and more than there was"))
    with _connect(proxy) as sock:
        sock.sendall(HELLO)
        assert _read(sock, 99) == HELLO[:3] + b"xyz and more than there was"
    assert _until(lambda: echo.endings == ["end"])


def test_replace_waits_for_what_it_replaces(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("replace", data=b"no"))
    with _connect(proxy) as sock:
        _check_silence(sock)
        sock.sendall(HELLO)
        assert _read(sock, 99) == b"no"


def test_refuse(proxy: FaultProxy, echo: EchoServer) -> None:
    proxy.plan(Trouble("refuse", times=2))
    for _ in range(2):
        with pytest.raises(ConnectionResetError), _connect(proxy) as sock:
            sock.recv(1)
    assert _talk(proxy) == HELLO
    assert echo.endings == ["end"]
    assert [connection.trouble for connection in proxy.connections] == ["refuse", "refuse", ""]


def test_troubles_queue_up(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("cut", 1, times=2))
    proxy.plan(Trouble("cut", 2))
    proxy.plan(Trouble("cut", 3, times=None))
    assert [len(_talk(proxy)) for _ in range(5)] == [1, 1, 2, 3, 3]
    proxy.heal()
    assert _talk(proxy) == HELLO


def test_trouble_that_is_not_reached(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("cut", 1000))
    assert _talk(proxy) == HELLO
    assert proxy.connections[0].trouble == ""


def test_heal_forgets_what_has_not_begun(proxy: FaultProxy) -> None:
    proxy.plan(Trouble("cut", len(HELLO) + 1))
    with _connect(proxy) as sock:
        for _ in range(2):
            sock.sendall(HELLO)
            assert _read(sock, len(HELLO)) == HELLO
            proxy.heal()


@pytest.mark.parametrize("kind", ["cut", "reset", "stall"])
@pytest.mark.parametrize("at", [0, 3])
def test_strike(proxy: FaultProxy, kind: str, at: int) -> None:
    """What is open, idle or not, and nothing else."""
    with _connect(proxy) as sock:
        sock.sendall(HELLO)
        assert _read(sock, len(HELLO)) == HELLO
        proxy.strike(Trouble(kind, at))
        if at:
            sock.sendall(HELLO)
        assert _read(sock, at) == HELLO[:at]
        if kind == "cut":
            assert sock.recv(1) == b""
        elif kind == "reset":
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        else:
            _check_silence(sock)
    assert _talk(proxy) == HELLO


def test_down_and_up(proxy: FaultProxy, echo: EchoServer) -> None:
    port = proxy.port
    with _connect(proxy) as sock:
        sock.sendall(HELLO)
        assert _read(sock, len(HELLO)) == HELLO
        proxy.down()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert _until(lambda: echo.endings == ["reset"])
    with pytest.raises(ConnectionRefusedError):
        _connect(proxy)
    proxy.down()
    proxy.up()
    proxy.up()
    assert proxy.port == port
    assert _talk(proxy) == HELLO


def test_a_server_that_does_not_listen() -> None:
    with FaultProxy(free_port()) as proxy:
        with pytest.raises(ConnectionResetError), _connect(proxy) as sock:
            sock.recv(1)
        assert len(proxy.connections) == 1


@pytest.mark.parametrize("kind", ["stall", "trickle", "garbage"])
def test_nothing_is_left_of_it(echo: EchoServer, kind: str) -> None:
    threads = set(threading.enumerate())
    with FaultProxy(echo.port) as proxy:
        proxy.plan(Trouble(kind, 2, every_ms=60000))
        sock = _connect(proxy)
        sock.sendall(HELLO)
        assert _read(sock, 2) == HELLO[:2]
        before = set(threading.enumerate()) - threads
        start = time.monotonic()
    assert time.monotonic() - start < 50  # of the 60 s in which the next byte would have gone
    assert _until(lambda: echo.endings)
    assert before and _until(lambda: not before & set(threading.enumerate()))
    with pytest.raises(ConnectionResetError):
        _read(sock, 99)
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
