"""The broker's end of MQTT 3.1.1, byte by byte."""

import mqttpackets
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
        self.send(mqttpackets.publish(topic, payload, 0x1234))

    def receive(self, data):
        self._unread += data
        packet = mqttpackets.take(self._unread)
        while packet:
            self._unread = packet[2]
            self._take_packet(packet[0], packet[1])
            packet = mqttpackets.take(self._unread)

    def _take_packet(self, op, body):
        if op == mqttpackets.CONNECT:
            self._say("connack", b"\x20\x02\x01\x00")
            self._say("greeting", b"")
            self._flood = bytes.fromhex(self._broker.says.get("flood", ""))
            self.send(self._flood)
            self._broker.greet(self)
        elif op == mqttpackets.SUBSCRIBE:
            self._broker.subscribe(mqttpackets.text_at(body, 2)[0])
            self._say("suback", mqttpackets.packet(mqttpackets.SUBACK, body[:2] + b"\x01"))
        elif op == mqttpackets.PUBLISH_QOS_1:
            topic, end = mqttpackets.text_at(body)
            self._say("puback", mqttpackets.packet(mqttpackets.PUBACK, body[end : end + 2]))
            self._broker.hear(topic, body[end + 2 :])
        elif op == mqttpackets.PUBACK:
            self._broker.acknowledge()
        elif op == mqttpackets.PINGREQ:
            self._say("pingresp", b"\xd0\x00")
        elif op == mqttpackets.DISCONNECT:
            self.ended = True
