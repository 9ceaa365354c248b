"""The network of the simulation: `socket`, `select` and `tls` over peers in the same process.

Peers are known by host name. Each connection may have one trouble: {"peer", "nth", "at", "kind"}. From
byte `at` of what the peer sends, the `nth` connection to it (None = each) is cut, reset, stalled, trickles
or carries garbage; "refuse" and "dns" end it before it begins. Without Wi-Fi nothing connects, and what
is open falls silent.
"""

import network
import virtualtime

SOCK_STREAM, POLLIN, POLLOUT = 1, 1, 4
PROTOCOL_TLS_CLIENT, CERT_REQUIRED = 16, 2
_ECONNRESET, _ECONNREFUSED, _ECONNABORTED, _EHOSTUNREACH = 104, 111, 103, 113
_BAD_MAC = -29056  # mbedtls: a record that was tampered with
_TRICKLE_MS = 1000
_ROUND_TRIP_MS = 2
_HISTORY = 20

listeners = {}  # (host, port): a function that returns a peer
troubles = []
connections = {}  # how many each peer has had
history = []  # [peer, bytes delivered] of the first connections that were closed
open_sockets = []
down = set()  # peers that refuse
frozen = set()  # peers that do not answer
showed_certificate = set()  # peers that have seen our client certificate


def clear():
    for group in (listeners, connections, down, frozen, showed_certificate):
        group.clear()
    troubles[:] = history[:] = open_sockets[:] = []


def getaddrinfo(host, port, *_):
    if not network.is_up() or _trouble_of(host, ("dns",)):
        raise OSError("getaddrinfo failed")
    return [(2, SOCK_STREAM, 0, "", (host, port))]


def _trouble_of(name, kinds):
    """The trouble that the next connection to this peer is to have."""
    for trouble in troubles:
        if trouble["peer"] == name and trouble["kind"] in kinds:
            if trouble["nth"] in (None, connections.get(name, 0)):
                if kinds == ("dns",):
                    connections[name] = connections.get(name, 0) + 1
                return trouble
    return None


class Socket:
    """A non-blocking socket. `peer` has `receive(data)`, `out` (a bytearray it sends) and `ended`."""

    def __init__(self, *_):
        self._join = network.joins()
        self.peer = None
        self.name = ""
        self._trouble = None
        self._delivered = 0
        self.is_tls = self.is_mute = False
        self._next_ms = 0

    def settimeout(self, seconds):
        self._timeout_ms = None if seconds is None else int(seconds * 1000)

    def setblocking(self, flag):
        self._timeout_ms = None if flag else 0

    def setsockopt(self, *_):
        pass

    def connect(self, address):
        name = address[0]
        if not network.is_up():
            raise OSError(_EHOSTUNREACH)
        self._trouble = _trouble_of(name, ("cut", "reset", "stall", "trickle", "garbage", "refuse"))
        connections[name] = connections.get(name, 0) + 1
        virtualtime.advance(_ROUND_TRIP_MS)
        is_refused = self._trouble and self._trouble["kind"] == "refuse"
        if name in down or is_refused or address not in listeners:
            raise OSError(_ECONNREFUSED)
        self.name = name
        self.peer = listeners[address]()
        open_sockets.append(self)

    def _is_stalled(self):
        return self.is_mute or self.name in frozen or self._has_struck("stall")

    def _has_struck(self, kind):
        trouble = self._trouble
        return trouble is not None and trouble["kind"] == kind and self._delivered >= trouble["at"]

    def is_readable(self):
        if self.peer is None or self._join != network.joins():
            return True
        if not network.is_up() or self._is_stalled():
            return False
        if self._has_struck("trickle") and virtualtime.now_ms < self._next_ms:
            return False
        return bool(self.peer.out) or self.peer.ended or self.name in down or self._has_ended()

    def is_writable(self):
        return self.peer is None or network.is_up()

    def _has_ended(self):
        return self._has_struck("cut") or self._has_struck("reset")

    def _check(self):
        """True if nothing moves just now. Raises OSError if the connection is gone."""
        if self.peer is None or self._join != network.joins():
            raise OSError(_ECONNABORTED)
        if not network.is_up() or self._is_stalled():
            return True
        if self.name in down or self._has_struck("reset"):
            raise OSError(_ECONNRESET)
        return False

    def readinto(self, buffer, count=-1):
        if self._check() or not self.is_readable():
            return None
        if self._has_struck("cut"):
            return 0
        room = len(buffer) if count < 0 else min(count, len(buffer))
        piece = self._take(room)
        memoryview(buffer)[: len(piece)] = piece
        return len(piece) if piece or self.peer.ended else None

    def _take(self, room):
        trouble = self._trouble
        if self._has_struck("trickle"):
            room = min(room, 1)
            self._next_ms = virtualtime.now_ms + _TRICKLE_MS
        elif trouble and self._delivered < trouble["at"]:
            room = min(room, trouble["at"] - self._delivered)
        piece = self.peer.take(room)
        if self._has_struck("garbage"):
            if self.is_tls:
                raise OSError(_BAD_MAC)
            piece = bytes([(byte ^ 0xA5) & 0xFF for byte in piece])
        self._delivered += len(piece)
        return piece

    def write(self, data):
        if network.is_up() and self._is_stalled():
            return len(data)  # into a buffer, from which it goes nowhere
        if self._check():
            return None
        if self.peer.ended or self._has_struck("cut"):
            raise OSError(32)
        self.peer.receive(bytes(data))
        virtualtime.advance(_ROUND_TRIP_MS)
        return len(data)

    def close(self):
        if self.peer is not None:
            self.peer.close()
            open_sockets.remove(self)
            if len(history) < _HISTORY:
                history.append([self.name, self._delivered])
        self.peer = None


class Poll:
    """One stream is enough for the device."""

    def register(self, stream, events):
        self._stream, self._events = stream, events

    modify = register

    def unregister(self, stream):
        self._stream = None

    def ipoll(self, timeout_ms):
        """Waits, in steps of 10 ms, until the stream can be read or the time is over."""
        waited = 0
        while waited < timeout_ms and not self._is_ready():
            virtualtime.advance(min(10, timeout_ms - waited))
            waited += 10
        return ((self._stream, self._events),) if self._is_ready() else ()

    def _is_ready(self):
        return self._stream.is_readable() or (self._events & POLLOUT and self._stream.is_writable())


class TlsSocket:
    """TLS as far as the device can tell: the certificate is verified in the handshake, by the clock."""

    def __init__(self, sock, context, host):
        self._socket = sock
        self._is_verified = context.verify_mode == CERT_REQUIRED
        if context.has_certificate:
            showed_certificate.add(sock.name)
        self._host = host
        sock.is_tls = True
        self._is_shaken = False
        self.is_readable = sock.is_readable
        self.is_writable = sock.is_writable

    def readinto(self, buffer, count=-1):
        return self._socket.readinto(buffer, count)

    def write(self, data):
        if not self._is_shaken:
            self._socket._check()
            problem = self._is_verified and self._problem()
            if problem:
                raise ValueError(problem)
            self._is_shaken = True
        return self._socket.write(data)

    def _problem(self):
        """What mbedtls would say of the peer's certificate."""
        peer = self._socket.peer
        if peer is None:
            return None
        if self._host and peer.certificate_name not in (None, self._host):
            return "The certificate Common Name (CN) does not match with the expected CN"
        return peer.certificate_problem()

    def close(self):
        self._socket.close()


class SSLContext:
    def __init__(self, protocol):
        self.verify_mode = 0
        self.has_certificate = False

    def load_cert_chain(self, certificate, key):
        self.has_certificate = True

    def load_verify_locations(self, certificate):
        pass

    def wrap_socket(self, sock, server_hostname=None, do_handshake_on_connect=True):
        if do_handshake_on_connect:
            raise RuntimeError("the device must bound the handshake itself")
        return TlsSocket(sock, self, server_hostname)


socket = Socket
poll = Poll
