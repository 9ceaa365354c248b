"""device.net over real sockets of this machine: reads that never wait, waits that end."""

import boardsocket
import boardtime
import facts
import network
import panel
from check import patched, raises, raises_code
from fakestream import STALL, FakeStream, Peer
from faketime import FakeTime

from device import errors, net
from device.umqttsocket import BlockingSocket, Sent, SocketModule

PROVES = {
    errors.TLS_REFUSED: "test_what_an_exception_of_the_socket_means",
    errors.NO_INIT: "test_a_certificate_that_is_none",
}


def _join():
    """Sockets of the simulated board need its Wi-Fi."""
    panel.attach(bytearray(4 * panel.WORDS))
    facts._values["networks"] = {"net": "key"}
    if not network.is_up():
        wlan = network.WLAN()
        wlan.active(True)
        wlan.connect("net", "key")
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
    stream = net.connect("127.0.0.1", port, None, 2000)
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
    raises_code(errors.CONNECTION_FAILED, net.connect, "127.0.0.1", port, None, 1000)


def test_no_wifi():
    with patched(network, "is_up", lambda: False):
        raises_code(errors.CONNECTION_FAILED, net.connect, "127.0.0.1", 1, None, 1000)


def _code_of(error):
    try:
        FakeStream(Peer([error])).readinto(bytearray(1))
    except errors.OtaError as known:
        return known.code


def test_what_an_exception_of_the_socket_means():
    for error, code in (
        (ValueError("certificate expired"), errors.TLS_REFUSED), (OSError(-30592), errors.TLS_REFUSED),
        (OSError(-28288), errors.TLS_REFUSED), (OSError(-29184), errors.CONNECTION_FAILED),
        (OSError(110), errors.TIMEOUT), (OSError(-110), errors.TIMEOUT),
        (OSError(104), errors.CONNECTION_FAILED), (OSError(), errors.CONNECTION_FAILED),
        (OSError("text"), errors.CONNECTION_FAILED), (OSError(-29312), errors.CONNECTION_FAILED),
        (OSError(-40000), errors.CONNECTION_FAILED), (OSError(12), errors.NO_MEM),
    ):  # fmt: skip
        assert _code_of(error) == code, error


# "Allocation failed" in mbedtls' headers: of a module, and what leads to one.
ALLOC_FAILED = (0x1180, 0x2880, 0x3400, 0x3F80, 0x4D80, 0x5180, 0x5780, 0x6180, 0x7F00)
ALLOC_FAILED_LOW = (0x0010, 0x0017, 0x006A)


def test_each_number_of_mbedtls_for_no_memory():
    for high in ALLOC_FAILED:
        for low in (0, 0x62) + ALLOC_FAILED_LOW:
            assert _code_of(OSError(-high - low)) == errors.NO_MEM, (high, low)
    for low in ALLOC_FAILED_LOW + (141,):
        assert _code_of(OSError(-low, "text")) == _code_of(OSError(low)) == errors.NO_MEM, low
        for high in (0x2080, 0x2500, 0x2700, 0x3B00, 0x4F80, 0x7780):  # what alone would be something else
            if low != 141:
                assert _code_of(OSError(-high - low, "text")) == errors.NO_MEM, (high, low)
    assert _code_of(OSError(-0x6C00)) == errors.NO_MEM  # "internal error", as which some come out


def test_a_certificate_of_bad_form_is_refused():
    for high in range(0x2080, 0x2880, 0x80):  # of x509, all but "allocation failed" and files
        for low in (0, 0x60, 0x62, 0x64, 0x66, 0x68):  # of asn1: out of data, unexpected tag ...
            assert _code_of(OSError(-high - low, "text")) == errors.TLS_REFUSED, (high, low)
    for high in (0x3A00, 0x3B00, 0x3C80, 0x3D00):  # the key in it
        assert _code_of(OSError(-high - 0x62)) == errors.TLS_REFUSED, high


def test_before_a_connection_an_errno_is_what_it_says():
    """EBUSY, ENFILE, EISCONN or EAFNOSUPPORT, ECANCELED: whose numbers are those of mbedtls as well."""
    for number in (16, 23, 106, 141):
        def failing(*_, number=number):
            raise OSError(number)

        with patched(net.socket, "getaddrinfo", failing):
            raises_code(errors.CONNECTION_FAILED, net.connect, "127.0.0.1", 1, None, 1000)


def test_no_memory_is_not_taken_for_an_alert():
    class Alerting(Peer):
        def write(self, data):
            raise OSError(self.number)

    for number, code in ((-0x3F90, errors.NO_MEM), (104, errors.TLS_REFUSED)):
        peer = Alerting([b"\x15\x03"])
        peer.number = number
        stream = FakeStream(Peer([b"\x15\x03"]))
        stream._stream = peer
        stream.limit(1000)
        raises_code(code, stream.write, b"data")


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


def test_a_certificate_that_is_none():
    for noise in (b"", b"noise", b"\x30\x82\x01\x00" + b"\0" * 50):
        raises_code(errors.NO_INIT, net.client_context, noise)


def test_the_socket_of_umqtt():
    with FakeTime() as clock:
        peer = Peer([b"abcdef", b"x" * 500, STALL])
        sock = BlockingSocket(lambda: FakeStream(peer, clock), 100)
        module = SocketModule(sock)
        assert module.socket() is sock
        sock.connect(module.getaddrinfo("broker", 1883)[0][-1])
        sock.limit(1000)
        assert sock.read(6) == b"abcdef"
        assert sock.read(500) == b"" and peer.script == [STALL]  # drained, not kept
        sock.setblocking(False)
        assert sock.read(1) is None
        sock.setblocking(True)
        raises_code(errors.BAD_MESSAGE, sock.read, -1)
        raises_code(errors.TIMEOUT, sock.read, 1)
        sock.write(b"0123", 2)
        sock.write(b"4")
        assert peer.sent == b""  # a packet goes out in one
        sock.flush()
        assert peer.sent == b"014"
        sock.leaves_answer = True
        sock.write(b"5")
        raises(Sent, sock.read, 1)
        assert peer.sent == b"0145"
