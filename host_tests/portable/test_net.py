"""device.net over real sockets of this machine: reads that never wait, waits that end."""

import boardsocket
import boardtime
import facts
import network
import sharedmemory
from check import patched, raises_code, run
from fakestream import CLOSE, STALL, TRICKLE, FakeStream, Peer
from faketime import FakeTime

from device import connection, errors, net

PROVES = {
    errors.TIMEOUT: "test_a_silent_peer_ends_in_a_timeout",
    errors.CONNECTION_FAILED: "test_nobody_listens",
}


def _join():
    """Sockets of the simulated board need its Wi-Fi."""
    sharedmemory.attach(bytearray(4 * sharedmemory.WORDS))
    facts._values["networks"] = {"net": "password"}
    if not network.is_up():
        wlan = network.WLAN()
        wlan.active(True)
        wlan.connect("net", "password")
        while not wlan.isconnected():
            boardtime.sleep_ms(5)


NEED_SOCKETS = (
    "test_what_is_written_arrives_and_the_other_way_round",
    "test_readinto_never_waits",
    "test_a_silent_peer_ends_in_a_timeout",
    "test_a_peer_that_takes_nothing_ends_in_a_timeout",
    "test_nobody_listens",
)


def _listener():
    """(listening socket of the host, port)"""
    for port in range(42000, 42200):
        sock = boardsocket.socket().raw
        try:
            sock.bind(boardsocket.getaddrinfo("127.0.0.1", port)[0][-1])
            sock.listen(1)
            return sock, port
        except OSError:
            sock.close()
    raise OSError("no free port")


def _with_pair(test):
    """Run test(stream, peer) with both ends of a connection."""
    _join()
    listener, port = _listener()
    stream = connection.connect("127.0.0.1", port, None, 2000)
    peer = listener.accept()[0]
    try:
        test(stream, peer)
    finally:
        stream.close()
        peer.close()
        listener.close()


def _read(stream, count):
    buffer = bytearray(count)
    stream.limit(2000)
    assert stream.read_exactly(buffer, count)
    return bytes(buffer)


def test_what_is_written_arrives_and_the_other_way_round():
    def test(stream, peer):
        stream.limit(2000)
        stream.write(b"to the peer")
        assert peer.recv(100) == b"to the peer"
        peer.send(b"to the board")
        assert _read(stream, 12) == b"to the board"

    _with_pair(test)


def test_readinto_never_waits():
    def test(stream, peer):
        buffer = bytearray(10)
        started = boardtime.ticks_ms()
        for _ in range(50):
            assert stream.readinto(buffer) is None
        assert boardtime.ticks_diff(boardtime.ticks_ms(), started) < 500
        peer.send(b"abc")
        stream.wait(2000)
        assert stream.readinto(buffer, 2) == 2 and bytes(buffer[:2]) == b"ab"
        assert stream.readinto(buffer) == 1
        peer.close()
        stream.wait(2000)
        assert stream.readinto(buffer) == 0

    _with_pair(test)


def test_a_silent_peer_ends_in_a_timeout():
    def test(stream, peer):
        peer.send(b"half")
        started = boardtime.ticks_ms()
        stream.limit(300)
        raises_code(errors.TIMEOUT, stream.read_exactly, bytearray(10), 10)
        assert 290 <= boardtime.ticks_diff(boardtime.ticks_ms(), started) < 2000

    _with_pair(test)


def test_a_peer_that_takes_nothing_ends_in_a_timeout():
    def test(stream, peer):
        piece = b"x" * 8192
        started = boardtime.ticks_ms()
        stream.limit(300)

        def fill():
            for _ in range(4000):
                stream.write(piece)

        raises_code(errors.TIMEOUT, fill)
        assert 290 <= boardtime.ticks_diff(boardtime.ticks_ms(), started) < 5000

    _with_pair(test)


def test_nobody_listens():
    _join()
    listener, port = _listener()
    listener.close()
    raises_code(errors.CONNECTION_FAILED, connection.connect, "127.0.0.1", port, None, 1000)


def test_no_wifi():
    with patched(network, "is_up", lambda: False):
        raises_code(errors.CONNECTION_FAILED, connection.connect, "127.0.0.1", 1, None, 1000)


def test_would_block_in_every_dialect():
    for number in (11, -26880, -26752):
        assert FakeStream(Peer([OSError(number)])).readinto(bytearray(1)) is None


def test_a_write_that_takes_nothing():
    class Full(Peer):
        answer = 0

        def write(self, data):
            return self.answer

    for answer in (0, None):
        with FakeTime() as clock:
            peer = Full()
            peer.answer = answer
            stream = FakeStream(peer, clock)
            stream.limit(1000)
            raises_code(errors.TIMEOUT, stream.write, b"data")
            assert 1000 <= clock.elapsed_ms <= 1050


def test_a_write_in_pieces():
    class Slow(Peer):
        calls = 0

        def write(self, data):
            self.calls += 1
            if self.calls % 2:
                return None
            return Peer.write(self, bytes(data)[:3])

    with FakeTime() as clock:
        peer = Slow()
        stream = FakeStream(peer, clock)
        stream.limit(1000)
        stream.write(b"0123456789")
        assert peer.sent == b"0123456789"


def test_close_never_raises():
    class Dead(Peer):
        def close(self):
            raise OSError(9, "bad file")

    stream = FakeStream(Dead())
    stream.close()
    assert stream.close() is None


def test_a_stall_lasts_as_long_as_it_may():
    with FakeTime() as clock:
        stream = FakeStream(Peer([STALL]), clock)
        since = net.time.ticks_ms()
        steps = 0
        while clock.elapsed_ms <= 1000:
            stream.stall(since, 1000)
            steps += 1
        assert 50 <= steps <= 52, "a step is short: the caller has other things to do"
        raises_code(errors.TIMEOUT, stream.stall, since, 1000)


def test_the_end_of_the_stream_before_the_last_byte():
    with FakeTime() as clock:
        stream = FakeStream(Peer([b"ab", STALL, b"c", CLOSE]), clock)
        buffer = bytearray(5)
        stream.limit(1000)
        assert stream.read_exactly(buffer, 4) is False
        assert bytes(buffer[:3]) == b"abc"


def _fill(stream, count, got, check):
    run(stream.fill(memoryview(bytearray(100)), count, got, 1000, check))


def test_the_rest_of_a_block():
    with FakeTime() as clock:
        calls = []

        def note():
            calls.append(1)

        _fill(FakeStream(Peer([b"cd", STALL, b"e", STALL, b"fg"]), clock), 7, 2, note)
        assert calls, "who waits asks whether there is sense in it"
        raises_code(errors.CONNECTION_FAILED, _fill, FakeStream(Peer([b"cd", CLOSE])), 7, 2, note)
        raises_code(errors.CONNECTION_FAILED, _fill, FakeStream(Peer([b"cd"])), 7, 0, note)


def test_a_block_that_trickles_is_a_stall():
    for script, chunk in (([STALL], 100), ([b"cd", STALL], 100), ([b"x" * 1000], TRICKLE)):
        with FakeTime() as clock:
            stream = FakeStream(Peer(script, chunk), clock)
            raises_code(errors.TIMEOUT, _fill, stream, 100, None, lambda clock=clock: clock.advance(200))
            assert 1000 <= clock.elapsed_ms <= 1500
