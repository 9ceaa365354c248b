"""device.link over umqtt: what the broker sends, whole, cut, slow, huge, endless; every wait bounded."""

import fakebroker
import mqttpackets
from check import raises
from fakebroker import UPDATE, Broker, fails, with_link
from fakestream import CLOSE, STALL, TRICKLE

from device import errors

PROVES = {errors.BAD_MESSAGE: "test_a_packet_shorter_than_its_topic"}


def test_receive_takes_one_at_a_time_in_order_and_never_waits():
    def test(link, broker, clock):
        assert link.receive() is None
        broker.send(fakebroker.publish(UPDATE, b"1") + fakebroker.publish(UPDATE, b"2" * 3000))
        assert link.receive() == ("update", b"1")
        assert link.receive() == ("update", b"2" * 3000)
        assert link.receive() is None and clock.elapsed_ms == 0

    with_link(test)


def test_single_bytes_and_pauses_change_nothing():
    def test(link, broker, clock):
        packet = fakebroker.publish(UPDATE, b"payload")
        script = []
        for index in range(len(packet)):
            script += [packet[index : index + 1], STALL]
        broker.script = script + [STALL]
        assert link.receive() == ("update", b"payload")

    with_link(test)


def test_half_a_packet_is_an_error_within_the_limit():
    packet = fakebroker.publish(UPDATE, b"payload")
    for length in range(1, len(packet)):

        def test(link, broker, clock, length=length):
            broker.send(packet[:length])
            fails(errors.TIMEOUT, link, clock, 4, link.receive)

        with_link(test)


def test_a_packet_cut_by_a_hang_up():
    packet = fakebroker.publish(UPDATE, b"payload")
    for length in range(len(packet)):

        def test(link, broker, clock, length=length):
            broker.script = [packet[:length], CLOSE] if length else [CLOSE]
            fails(errors.CONNECTION_FAILED, link, clock, 1, link.receive)

        with_link(test)


def test_a_trickle_is_bounded_as_a_whole():
    """A byte every 50 ms: the packet would take 20 s, the limit is 4."""

    def test(link, broker, clock):
        broker.send(fakebroker.publish(UPDATE, b"x" * 400))
        link.receive()
        broker.chunk = TRICKLE
        broker.send(fakebroker.publish(UPDATE, b"x" * 400))
        assert link.receive() is None  # the pause before the first byte
        fails(errors.TIMEOUT, link, clock, 4, link.receive)

    with_link(test)


def test_64_kb_are_drained_and_come_back_empty():
    class Big(Broker):
        """Makes up its payload as it is read: 64 KB would not fit the heap of a board."""

        left = 0

        def readinto(self, buffer, count=-1):
            if self.left and self.script[0] is STALL:
                got = min(self.left, len(buffer))
                self.left -= got
                return got
            return Broker.readinto(self, buffer, count)

    def test(link, broker, clock):
        size = 65536
        packet = fakebroker.publish(UPDATE, b"")
        length = mqttpackets.remaining_length(len(UPDATE) + 4 + size)
        broker.send(packet[:1] + length + packet[2:])
        broker.left = size
        assert link.receive() == ("update", b"")
        assert broker.left == 0
        broker.send(fakebroker.publish(UPDATE, b"next"))
        assert link.receive() == ("update", b"next")

    with_link(test, Big())


def test_a_packet_shorter_than_its_topic():
    for raw in (b"\x32\x02\x00\x1e" + UPDATE + b"\0\1", b"\x32\x00\x00\x00\x00\x01", b"\x30\x00\x00\x00"):

        def test(link, broker, clock, raw=raw):
            broker.send(raw + b"\0" * 10)
            fails(errors.BAD_MESSAGE, link, clock, 4, link.receive)

        with_link(test)


def test_a_remaining_length_without_end():
    """Four bytes are the most MQTT allows; a peer that never stops must not hold the board."""

    class Endless(Broker):
        def readinto(self, buffer, count=-1):
            if not self.script[0]:
                self.clock.advance(1)
                self.taken += 1
                if self.taken > 20000:
                    raise RuntimeError("read 20000 bytes of one length")
                buffer[0] = 0xFF
                return 1
            return Broker.readinto(self, buffer, count)

    def test(link, broker, clock):
        broker.clock = clock
        broker.send(b"\x32")
        error = raises(errors.OtaError, link.receive)
        assert error.code in (errors.TIMEOUT, errors.BAD_MESSAGE) and not link.is_open

    with_link(test, Endless())


def test_a_flood_inside_the_wait_of_a_publish():
    """Messages without end, and no acknowledgement among them."""
    packet = fakebroker.publish(UPDATE, b"x" * 50)

    class Flood(Broker):
        messages = 0

        def readinto(self, buffer, count=-1):
            if self.script[0] is STALL and len(self.packets) > 1:
                self.clock.advance(50)
                self.messages += 1
                if self.messages > 200:
                    raise RuntimeError("200 messages inside one publish")
                self.script = [packet, STALL]
            return Broker.readinto(self, buffer, count)

    def test(link, broker, clock):
        broker.clock = clock
        broker.acknowledge = False
        fails(errors.TIMEOUT, link, clock, 4, link.publish, "get", "{}")

    with_link(test, Flood())
