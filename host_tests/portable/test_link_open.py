"""device.online opens the link over umqtt: greeting, subscriptions; umqtt is left as it was found."""

import fakebroker
import umqtt.simple
from check import patched, raises, raises_code, settings
from fakebroker import MAC, SMALL, UPDATE, Broker, fails, with_link
from fakestream import FakeStream

from device import connection, errors, online
from device.link import SUBSCRIBED, BlockingSocket, Link

PROVES = {
    errors.NO_MEM: "test_no_memory_is_said",
    errors.CONNECTION_FAILED: "test_connack_with_a_refusal",
    errors.TIMEOUT: "test_connack_that_stops_half_way",
}


def test_connect_to_the_letter():
    def test(link, broker, clock):
        assert link.is_open and clock.elapsed_ms == 0
        body = b"\x00\x04MQTT\x04\xc0\x00\x3c" + b"\x00\x0c" + MAC.encode()
        body += b"\x00\x0c" + MAC.encode() + b"\x00\x00"
        assert broker.packets == [(0x10, body)]  # clean session off, user = MAC

    with_link(test)


def test_a_user_of_its_own():
    def test(link, broker, clock):
        link.config = settings(broker_user="user", broker_password="secret", **SMALL)
        link.connect()
        assert broker.packets[0][1][24:] == b"\0\4user\0\6secret"

    with_link(test, None, False)


def test_a_token_as_password():
    """Of 1,800 bytes, as Azure's; up to what the configuration takes."""
    for size in (1800, 4096):
        token = "t" * size

        def test(link, broker, clock, token=token):
            link.config = settings(broker_user="user", broker_password=token, **SMALL)
            link.connect()
            assert broker.packets[0][1][24:32] == b"\0\4user" + bytes([len(token) >> 8, len(token) & 255])
            assert broker.packets[0][1][32:] == token.encode()

        with_link(test, None, False)


def test_connack_with_a_refusal():
    for code in (1, 2, 3, 4, 5, 255):
        broker = Broker(b"\x20\x02\x00" + bytes([code]))

        def test(link, broker, clock):
            error = fails(errors.CONNECTION_FAILED, link, clock, 0, link.connect)
            assert str(broker.connack[3]) in error.detail and broker.is_closed

        with_link(test, broker, False)


def test_connack_that_is_none():
    for raw in (b"\x30\x02\x00\x00", b"\x20\x03\x00\x00", b"HTTP", b"\x00\x00\x00\x00"):

        def test(link, broker, clock):
            fails(errors.CONNECTION_FAILED, link, clock, 0, link.connect)

        with_link(test, Broker(raw), False)


def test_connack_that_stops_half_way():
    for length in range(4):

        def test(link, broker, clock):
            fails(errors.TIMEOUT, link, clock, 5, link.connect)
            assert clock.elapsed_ms >= 5000

        with_link(test, Broker(fakebroker.CONNACK[:length]), False)


def test_a_link_is_open_from_the_greeting_to_its_end():
    def test(link, broker, clock):
        assert not link.is_open
        link.connect()
        assert link.is_open
        link.connect()  # anew
        assert link.is_open and broker.is_closed
        broker.connack = b"\x20\x02\x00\x05"
        fails(errors.CONNECTION_FAILED, link, clock, 0, link.connect)
        broker.connack = fakebroker.CONNACK

    with_link(test, None, False)


def _subscribe_all(link):
    for name in SUBSCRIBED:
        online.subscribe(link, name)


def test_subscribe_to_the_letter():
    def test(link, broker, clock):
        _subscribe_all(link)
        assert [packet[0] for packet in broker.packets] == [0x10, 0x82, 0x82]
        for (_, body), name in zip(broker.packets[1:], (b"update", b"response")):
            topic = b"wm_iot/AABBCCDDEEFF/ota/" + name
            assert body[2:] == bytes([0, len(topic)]) + topic + b"\x01"

    with_link(test)


def test_a_subscription_that_is_refused_or_never_answered():
    def test(link, broker, clock):
        broker.grant = 0x80
        fails(errors.CONNECTION_FAILED, link, clock, 0, online.subscribe, link, "update")
        link.connect()
        broker.acknowledge = False
        fails(errors.TIMEOUT, link, clock, 3, online.subscribe, link, "update")

    with_link(test)


def test_packet_ids_stay_below_65536():
    def test(link, broker, clock):
        link.client.pid = 65530
        for _ in range(4):
            link.publish("get", "{}")
            _subscribe_all(link)
        pids = [body[29] << 8 | body[30] for op, body in broker.packets if op == 0x32]
        assert len(pids) == 4 and all(0 < pid < 65100 for pid in pids), pids
        assert link.client.pid < 65100

    with_link(test)


def _starved(*_):
    raise MemoryError


def test_no_memory_is_said():
    """Inside umqtt; before it, the caller has to: nothing is open then."""

    def test(link, broker, clock):
        broker.readinto = _starved
        fails(errors.NO_MEM, link, clock, 0, link.connect)
        assert broker.is_closed

    with_link(test, None, False)
    with patched(connection, "connect", _starved):
        link = Link(settings(**SMALL), MAC)
        raises(MemoryError, link.connect)
    assert not link.is_open


def test_errors_of_connect_pass_through():
    for code in (errors.TLS_REFUSED, errors.TIMEOUT, errors.CONNECTION_FAILED):

        def refused(*_, code=code):
            raise errors.OtaError(code, "x")

        with patched(connection, "connect", refused):
            link = Link(settings(**SMALL), MAC)
            raises_code(code, link.connect)
        assert not link.is_open


def test_the_context_of_tls_is_made_once():
    made = []
    used = []

    def connect(host, port, context, timeout_ms):
        used.append((host, port, context))
        raise errors.OtaError(errors.TIMEOUT, "x")

    with patched(connection, "broker_context", lambda config: made.append(config) or "context"):
        with patched(connection, "connect", connect):
            link = Link(settings(broker="mqtts://broker", **SMALL), MAC)
            for _ in range(2):
                raises_code(errors.TIMEOUT, link.connect)
    assert made == [link.config] and used == [("broker", 8883, "context")] * 2


class _Sockets:
    """The module `socket` of an application's own client: its other broker."""

    def __init__(self, broker, clock):
        self._stream = FakeStream(broker, clock)

    def socket(self, *_):
        self._stream.limit(1000)
        return BlockingSocket(self._stream)

    def getaddrinfo(self, host, port, *_):
        return [(0, 0, 0, "", (host, port))]


def test_an_application_has_a_client_of_its_own():
    def test(link, broker, clock):
        other = Broker()
        sockets = _Sockets(other, clock)
        with patched(umqtt.simple, "socket", sockets):
            link.connect()
            assert umqtt.simple.socket is sockets
            client = umqtt.simple.MQTTClient(b"app", "other", 1883, b"u", b"p", 60)
            client.connect()
            link.publish("get", "{}")
            client.publish(b"door", b"open", False, 1)
            link.close()
            assert umqtt.simple.socket is sockets
            client.publish(b"door", b"shut", False, 1)
        assert [packet[0] for packet in broker.packets] == [0x10, 0x32]
        assert [packet[0] for packet in other.packets] == [0x10, 0x32, 0x32] and not other.is_closed
        assert b"app" in other.packets[0][1] and MAC.encode() not in other.packets[0][1]

    with_link(test, None, False)


def test_umqtt_is_left_as_it_was_when_connect_fails():
    before = umqtt.simple.socket

    def test(link, broker, clock):
        raises(errors.OtaError, link.connect)
        assert umqtt.simple.socket is before

    for connack in (b"\x20\x02\x00\x05", b"", b"HTTP"):
        with_link(test, Broker(connack), False)

    def starve(link, broker, clock):
        with patched(umqtt.simple, "MQTTClient", _starved):
            raises(MemoryError, link.connect)
        assert umqtt.simple.socket is before and not link.is_open
        link.close()
        assert broker.is_closed

    with_link(starve, None, False)


def test_an_offer_that_comes_with_the_greeting():
    """The session is persistent: the broker sends what it has kept at once."""

    def test(link, broker, clock):
        online.subscribe(link, "update")
        assert link.receive() == ("update", b"kept")

    with_link(test, Broker(fakebroker.CONNACK + fakebroker.publish(UPDATE, b"kept")))
