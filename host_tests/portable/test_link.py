"""device.link over umqtt: publish, receive, keep alive; every failure closes; the socket of umqtt."""

import fakebroker
from check import raises, raises_code, recorded_log
from fakebroker import UPDATE, fails, with_link
from fakestream import CLOSE, STALL, FakeStream, Peer
from faketime import FakeTime

from device import errors
from device.link import BlockingSocket, _Sent

PROVES = {
    errors.NO_MEM: "test_no_memory_for_a_message",
    errors.CONNECTION_FAILED: "test_a_broker_that_hangs_up",
    errors.TIMEOUT: "test_a_puback_that_never_comes",
}


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
        assert link.receive() is None and link.receive() == ("update", b"one") and link.receive() is None
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
        assert link.receive() == ("update", b"one")
        assert link.receive() is None
        assert (0x40, b"\x00\x4d") in broker.packets  # our acknowledgement of it

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


def test_close_twice_and_without_connect():
    def test(link, broker, clock):
        link.close()
        link.connect()
        link.close()
        link.close()
        assert not link.is_open and broker.is_closed

    with_link(test, None, False)


def test_no_memory_for_a_message():
    def test(link, broker, clock):
        def starved(*_):
            raise MemoryError

        broker.send(fakebroker.publish(UPDATE, b"x"))
        broker.readinto = starved
        fails(errors.NO_MEM, link, clock, 0, link.receive)

    with_link(test)


def test_only_what_was_asked_for_is_taken():
    def test(link, broker, clock):
        broker.send(fakebroker.publish(UPDATE[:-6] + b"response", b"1") + fakebroker.publish(UPDATE, b"2"))
        assert link.receive() == ("response", b"1") and link.receive() == ("update", b"2")
        for foreign in (
            b"", b"update", b"wm_iot/AABBCCDDEEFE/ota/update", b"WM_IOT/" + UPDATE[7:], UPDATE[:-6],
            UPDATE + b"/", UPDATE[:-6] + b"get", UPDATE[:-6] + b"\xff\xfe",
        ):  # fmt: skip
            broker.send(fakebroker.publish(foreign, b"3"))
            with recorded_log() as lines:
                assert link.receive() is None and link.is_open, foreign
            assert len(lines) == 1 and "foreign" in lines[0]

    with_link(test)


def test_the_socket_of_umqtt():
    with FakeTime() as clock:
        peer = Peer([b"abcdef", b"x" * 4096, b"y" * 5000, STALL])
        stream = FakeStream(peer, clock)
        sock = BlockingSocket(stream)
        sock.connect(("broker", 1883))
        stream.limit(1000)
        assert sock.read(6) == b"abcdef"
        assert sock.read(4096) == b"x" * 4096
        assert sock.read(5000) == b"" and peer.script == [STALL]  # drained, not kept
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
        raises(_Sent, sock.read, 1)
        assert peer.sent == b"0145"
        sock.send(b"6" * 300)  # more than a packet that is gathered
        assert peer.sent == b"0145" + b"6" * 300
        sock.close()
        assert peer.is_closed
