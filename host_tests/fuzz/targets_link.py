"""What a broker and a time server send, through the real umqtt.simple and the board's ntptime."""

import fakebroker
import ntptime
from check import patched, run, settings
from fakeagent import FakeAgent
from fakestream import CLOSE, STALL, FakeStream, Peer
from faketime import FakeTime
from targets import TARGETS

from device import board, connection, ntp, online
from device.link import SUBSCRIBED, Link

_CHUNKS = (1 << 20, 1, 3)
_LIMIT_MS = 30000  # of all waits of a session together, by fakebroker.SMALL
_RECEIVE_CALLS = 12  # an answer to a ping counts as one, and gives nothing


def mqtt(raw):
    """The first byte says how the rest comes; the rest is all that a broker ever sends. The client connects,
    subscribes twice, publishes once, then receives. Returns the messages as [name, payload]."""
    mode = raw[0] if raw else 0
    peer = Peer([raw[1:], CLOSE if mode & 4 else STALL], _CHUNKS[(mode & 3) % 3])
    if not raw[1:]:
        peer.script = peer.script[1:]
    with FakeTime() as time:
        with patched(connection, "connect", _connector(peer, time)):
            link = Link(settings(**fakebroker.SMALL), fakebroker.MAC)
            try:
                return _session(link)
            except Exception:
                assert not link.is_open and peer.is_closed
                raise
            finally:
                link.close()
                assert time.elapsed_ms <= _LIMIT_MS and peer.taken <= len(raw)


def _connector(peer, time):
    def connect(host, port, context, timeout_ms):
        stream = FakeStream(peer, time)
        stream.limit(timeout_ms)
        return stream

    return connect


def _session(link):
    link.connect()
    for name in SUBSCRIBED:
        online.subscribe(link, name)
    link.publish("firmware/report", "{}")
    received = []
    for _ in range(_RECEIVE_CALLS):
        message = link.receive()
        if message is not None:
            received.append(list(message))
    return received


class _Datagram:
    """A socket whose peer answers with these bytes."""

    def __init__(self, answer):
        self._answer = answer

    def settimeout(self, seconds):
        pass

    def sendto(self, data, address):
        return len(data)

    def recv(self, count):
        return self._answer[:count]

    def close(self):
        pass


class _Network:
    AF_INET = SOCK_DGRAM = 0

    def __init__(self, answer):
        self._answer = answer

    def getaddrinfo(self, host, port):
        return [(0, 0, 0, "", (host, port))]

    def socket(self, *_):
        return _Datagram(self._answer)


def ntp_answer(raw):
    """The moment that the clock is set to."""
    moments = []
    with patched(ntptime, "boardsocket", _Network(raw)):
        with patched(board, "set_clock", moments.append):
            run(ntp.Sync(FakeAgent(ntp_hosts=["a"])).steps())
    return list(moments[0][:6])


TARGETS["mqtt"] = mqtt
TARGETS["ntp"] = ntp_answer
