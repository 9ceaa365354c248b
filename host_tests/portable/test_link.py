"""device.link over umqtt: connect, subscribe, publish and keep alive, every failure closes."""

import fakebroker
from check import patched, raises_code, settings
from fakebroker import MAC, SMALL, UPDATE, Broker, fails, with_link
from fakestream import CLOSE

from device import errors, net
from device.link import Link

PROVES = {
    errors.NO_MEM: "test_no_memory_is_said",
    errors.CONNECTION_FAILED: "test_connack_with_a_refusal",
    errors.TIMEOUT: "test_a_puback_that_never_comes",
}


def test_connect_to_the_letter():
    def test(link, broker, clock):
        assert link.is_open and clock.elapsed_ms == 0
        body = b"\x00\x04MQTT\x04\xc0\x00\x3c" + b"\x00\x0c" + MAC.encode()
        body += b"\x00\x0c" + MAC.encode() + b"\x00\x00"
        assert broker.packets == [(0x10, body)]  # clean session off, user = MAC

    with_link(test)


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


def test_a_broker_that_hangs_up():
    def test(link, broker, clock):
        broker.script = [CLOSE]
        fails(errors.CONNECTION_FAILED, link, clock, 0, link.receive)
        link.connect()
        broker.acknowledge = False
        broker.script = [CLOSE]
        fails(errors.CONNECTION_FAILED, link, clock, 0, link.publish, "get", "{}")

    with_link(test)


def test_publish_to_the_letter():
    def test(link, broker, clock):
        link.publish("get", '{"a": "\u4e0b"}')
        topic = b"wm_iot/AABBCCDDEEFF/ota/get"
        body = b"\x00\x1b" + topic + b"\x00\x01" + '{"a": "\u4e0b"}'.encode()
        assert broker.packets[-1] == (0x32, body)
        assert link.is_open and clock.elapsed_ms == 0

    with_link(test)


def test_a_publish_that_waits_for_nothing():
    def test(link, broker, clock):
        broker.acknowledge = False
        for number in (1, 2):
            link.publish("get", "{}", waits=False)
            assert broker.packets[-1][1][-4:] == bytes([0, number]) + b"{}"
        assert link.is_open and clock.elapsed_ms == 0
        broker.send(b"\x40\x02\0\1" + fakebroker.publish(UPDATE, b"one") + b"\x40\x02\0\2")
        assert link.receive() is None and link.receive() == (UPDATE, b"one") and link.receive() is None
        broker.acknowledge = True
        link.publish("get", "{}")
        assert link.is_open

    with_link(test)


def test_an_acknowledgement_cut_in_the_middle():
    def test(link, broker, clock):
        broker.acknowledge = False
        link.publish("get", "{}", waits=False)
        broker.send(b"\x40\x02")
        fails(errors.TIMEOUT, link, clock, 4, link.receive)

    with_link(test)


def test_a_puback_that_never_comes():
    def test(link, broker, clock):
        broker.acknowledge = False
        fails(errors.TIMEOUT, link, clock, 4, link.publish, "get", "{}")
        assert clock.elapsed_ms >= 4000 and broker.is_closed
        raises_code(errors.CONNECTION_FAILED, link.publish, "get", "{}")  # no broker any more

    with_link(test)


def test_a_puback_for_another_publish_is_passed_over():
    def test(link, broker, clock):
        broker.ahead = b"\x40\x02\x12\x34"
        link.publish("get", "{}")
        assert link.is_open

    with_link(test)


def test_an_offer_that_comes_inside_the_wait_of_a_publish():
    def test(link, broker, clock):
        broker.ahead = fakebroker.publish(UPDATE, b"one") + b"\xd0\x00"
        link.publish("get", "{}")
        assert link.receive() == (UPDATE, b"one")
        assert link.receive() is None
        assert (0x40, b"\x00\x4d") in broker.packets  # our acknowledgement of it

    with_link(test)


def _subscribe_all(link):
    for name in ("update", "response"):
        link.subscribe(name)


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
        fails(errors.CONNECTION_FAILED, link, clock, 0, link.subscribe, "update")
        link.connect()
        broker.acknowledge = False
        fails(errors.TIMEOUT, link, clock, 3, link.subscribe, "update")

    with_link(test)


def test_packet_ids_stay_below_65536():
    def test(link, broker, clock):
        link._client.pid = 65530
        for _ in range(4):
            link.publish("get", "{}")
            _subscribe_all(link)
        pids = [body[29] << 8 | body[30] for op, body in broker.packets if op == 0x32]
        assert len(pids) == 4 and all(0 < pid < 65100 for pid in pids), pids
        assert link._client.pid < 65100

    with_link(test)


def test_the_queue_is_bounded_and_loses_the_oldest():
    def test(link, broker, clock):
        for number in range(6):
            broker.ahead += fakebroker.publish(UPDATE, b"%d" % number)
        link.publish("get", "{}")
        got = [link.receive()[1] for _ in range(4)]
        assert got == [b"2", b"3", b"4", b"5"] and link.receive() is None

    with_link(test)


def test_keep_alive_pings_at_half_time_and_ends_a_silent_link():
    def test(link, broker, clock):
        clock.advance(29999)
        link.keep_alive()
        assert broker.packets[-1][0] == 0x10
        clock.advance(1)
        link.keep_alive()
        assert broker.packets[-1] == (0xC0, b"")
        assert link.receive() is None  # takes the answer in
        broker.answers_pings = False
        clock.advance(30001)
        link.keep_alive()
        assert link.receive() is None and link.is_open
        clock.advance(30001)
        fails(errors.TIMEOUT, link, clock, 0, link.keep_alive)

    with_link(test)


def test_no_memory_is_said():
    def starved(*_):
        raise MemoryError

    with patched(net, "connect", starved):
        link = Link(settings(**SMALL), MAC)
        raises_code(errors.NO_MEM, link.connect)
    assert not link.is_open


def test_errors_of_connect_pass_through():
    for code in (errors.TLS_REFUSED, errors.TIMEOUT, errors.CONNECTION_FAILED):

        def refused(*_, code=code):
            raise errors.OtaError(code, "x")

        with patched(net, "connect", refused):
            link = Link(settings(**SMALL), MAC)
            raises_code(code, link.connect)
        assert not link.is_open


def test_names_of_topics():
    def test(link, broker, clock):
        assert link.name_of(UPDATE) == "update"
        assert link.name_of(UPDATE[:-6] + b"response") == "response"
        for foreign in (
            b"", b"update", b"wm_iot/AABBCCDDEEFE/ota/update", b"WM_IOT/" + UPDATE[7:], UPDATE[:-6],
            UPDATE + b"/", UPDATE[:-6] + b"get", UPDATE[:-6] + b"\xff\xfe",
        ):  # fmt: skip
            assert link.name_of(foreign) is None, foreign

    with_link(test)


def test_close_twice_and_without_connect():
    def test(link, broker, clock):
        link.close()
        link.connect()
        link.close()
        link.close()
        assert not link.is_open and broker.is_closed

    with_link(test, None, False)
