"""The broker's end of a link, as a scripted peer: it reads what the client writes and answers."""

from check import patched, raises_code, settings
from fakestream import STALL, FakeStream, Peer
from faketime import FakeTime

from device import connection
from device.link import Link

MAC = "AABBCCDDEEFF"
UPDATE = b"wm_iot/AABBCCDDEEFF/ota/update"
SMALL = {"mqtt_timeout_s": 5, "publish_timeout_s": 4, "subscribe_timeout_s": 3, "keepalive_s": 60}
CONNACK = b"\x20\x02\x00\x00"


def remaining_length(size):
    result = b""
    while size > 127:
        result += bytes([size & 127 | 128])
        size >>= 7
    return result + bytes([size])


def publish(topic, payload, pid=77):
    """A PUBLISH packet of QoS 1 towards the client."""
    body = bytes([len(topic) >> 8, len(topic) & 255]) + topic + bytes([pid >> 8, pid & 255])
    return b"\x32" + remaining_length(len(body) + len(payload)) + body + payload


class Broker(Peer):
    """packets: (first byte, body) of each whole packet that came.

    connack: the answer to CONNECT. acknowledge: whether SUBSCRIBE and PUBLISH are answered;
    answers_pings: whether PINGREQ is. grant: the code in SUBACK. ahead: bytes sent before the next
    acknowledgement.
    """

    def __init__(self, connack=CONNACK, chunk=1 << 20):
        Peer.__init__(self, [STALL], chunk)
        self.connack = connack
        self.acknowledge = True
        self.grant = 1
        self.answers_pings = True
        self.ahead = b""
        self.packets = []
        self._unread = b""

    def send(self, data):
        """Let the client find this, and nothing after it."""
        if data:
            self.script[-1:] = [data, STALL]

    def write(self, data):
        self._unread += bytes(data)
        while self._take_packet():
            pass
        return len(data)

    def _take_packet(self):
        size = shift = 0
        position = 1
        while True:
            if position >= len(self._unread):
                return False
            byte = self._unread[position]
            size |= (byte & 127) << shift
            shift += 7
            position += 1
            if not byte & 128:
                break
        if len(self._unread) < position + size:
            return False
        packet = (self._unread[0], self._unread[position : position + size])
        self._unread = self._unread[position + size :]
        self.packets.append(packet)
        self._answer(packet[0], packet[1])
        return True

    def _answer(self, op, body):
        if op == 0x10:
            self.send(self.connack)
        elif op == 0xC0 and self.answers_pings:
            self.send(b"\xd0\x00")
        elif self.acknowledge and op == 0x82:
            self._acknowledge(b"\x90\x03" + body[:2] + bytes([self.grant]))
        elif self.acknowledge and op == 0x32:
            start = 2 + (body[0] << 8 | body[1])
            self._acknowledge(b"\x40\x02" + body[start : start + 2])

    def _acknowledge(self, packet):
        self.send(self.ahead + packet)
        self.ahead = b""


def connector(brokers, clock):
    """A stand-in for connection.connect: each call takes the next of brokers."""
    left = list(brokers)

    def connect(host, port, context, timeout_ms):
        stream = FakeStream(left.pop(0), clock)
        stream.limit(timeout_ms)
        return stream

    return connect


def with_link(test, broker=None, connected=True):
    """Run test(link, broker, clock) with a link over fake streams."""
    broker = broker or Broker()
    with FakeTime() as clock:
        with patched(connection, "connect", connector([broker] * 3, clock)):
            link = Link(settings(**SMALL), MAC)
            if connected:
                link.connect()
            test(link, broker, clock)


def fails(code, link, clock, limit_s, function, *arguments):
    """The call ends with the code, within its limit, and leaves the link closed."""
    before = clock.elapsed_ms
    error = raises_code(code, function, *arguments)
    assert clock.elapsed_ms - before <= limit_s * 1000 + 100, clock.elapsed_ms - before
    assert not link.is_open
    return error
