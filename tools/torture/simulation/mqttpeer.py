"""The broker's end of MQTT 3.1.1, byte by byte."""

import virtualtime

_BYTES_PER_MS = 8  # of a flood


class Connection:
    """One MQTT 3.1.1 connection, the broker's end."""

    def __init__(self, broker):
        self._broker = broker
        self._unread = b""
        self._flood = b""
        self.out = b""  # not all of what is to come: to join it would cost its whole length at each read
        self._later = []
        self.ended = False
        self.certificate_name = broker.certificate_name

    def certificate_problem(self):
        return self._broker.problem and self._broker.problem()

    def send(self, data):
        if not self.out:
            self.out = data
        elif data:
            self._later.append(data)

    def take(self, room):
        piece = self.out[:room]
        self.out = self.out[room:]
        if self._later and not self.out:
            self.out = self._later.pop(0)
        if self._flood and not self.out:
            self.out = self._flood
            virtualtime.advance(len(self._flood) // _BYTES_PER_MS + 1)
        return piece

    def hang_up(self):
        self.out = self._flood = b""
        self._later = []
        self.ended = True

    def _say(self, what, right):
        """The right answer, or what a hostile broker says instead."""
        text = self._broker.says.get(what)
        self.send(right if text is None else bytes.fromhex(text))

    def close(self):
        self.ended = True
        if self._broker._connection is self:
            self._broker._connection = None

    def deliver(self, topic, payload):
        body = bytes([len(topic) >> 8, len(topic) & 255]) + topic + b"\x12\x34" + payload
        self.send(b"\x32" + _remaining_length(len(body)) + body)

    def receive(self, data):
        self._unread += data
        packet = self._next_packet()
        while packet:
            self._take_packet(packet[0], packet[1])
            packet = self._next_packet()

    def _next_packet(self):
        size = shift = 0
        for position in range(1, len(self._unread)):
            byte = self._unread[position]
            size |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                end = position + 1 + size
                if len(self._unread) < end:
                    return None
                packet = (self._unread[0], self._unread[position + 1 : end])
                self._unread = self._unread[end:]
                return packet
        return None

    def _take_packet(self, op, body):
        if op == 0x10:
            self._say("connack", b"\x20\x02\x01\x00")
            self._say("greeting", b"")
            self._flood = bytes.fromhex(self._broker.says.get("flood", ""))
            self.send(self._flood)
            self._broker.greet(self)
        elif op == 0x82:
            length = body[2] << 8 | body[3]
            self._broker.subscribe(body[4 : 4 + length])
            self._say("suback", b"\x90\x03" + body[:2] + b"\x01")
        elif op == 0x32:
            length = body[0] << 8 | body[1]
            start = 2 + length
            self._say("puback", b"\x40\x02" + body[start : start + 2])
            self._broker.hear(body[2:start], body[start + 2 :])
        elif op == 0x40:
            self._broker.acknowledge()
        elif op == 0xC0:
            self._say("pingresp", b"\xd0\x00")
        elif op == 0xE0:
            self.ended = True


def _remaining_length(size):
    result = b""
    while size > 127:
        result += bytes([size & 127 | 128])
        size >>= 7
    return result + bytes([size])
