"""The broker's end of a link, as a scripted peer: it reads what the client writes and answers."""

import mqttpackets
from check import patched, raises_code, settings
from fakestream import STALL, FakeStream, Peer
from faketime import FakeTime

from device import connection
from device.link import Link

MAC = "AABBCCDDEEFF"
UPDATE = b"wm_iot/AABBCCDDEEFF/ota/update"
SMALL = {"mqtt_timeout_s": 5, "publish_timeout_s": 4, "subscribe_timeout_s": 3, "keepalive_s": 60}
CONNACK = b"\x20\x02\x00\x00"


def publish(topic, payload, pid=77):
    """A PUBLISH packet of QoS 1 towards the client."""
    return mqttpackets.publish(topic, payload, pid)


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
        packet = mqttpackets.take(self._unread)
        while packet:
            self._unread = packet[2]
            self.packets.append(packet[:2])
            self._answer(packet[0], packet[1])
            packet = mqttpackets.take(self._unread)
        return len(data)

    def _answer(self, op, body):
        if op == mqttpackets.CONNECT:
            self.send(self.connack)
        elif op == mqttpackets.PINGREQ and self.answers_pings:
            self.send(b"\xd0\x00")
        elif self.acknowledge and op == mqttpackets.SUBSCRIBE:
            self._acknowledge(mqttpackets.packet(mqttpackets.SUBACK, body[:2] + bytes([self.grant])))
        elif self.acknowledge and op == mqttpackets.PUBLISH_QOS_1:
            _, end = mqttpackets.text_at(body)
            self._acknowledge(mqttpackets.packet(mqttpackets.PUBACK, body[end : end + 2]))

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
