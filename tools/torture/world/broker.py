"""The broker of the in-process world with the operator behind it: persistent session, QoS 1, redelivery.

The operator pushes the offer when a device reports another version than the offer's, and offers it
again some time after an error, a bounded number of times.
"""

import json

import virtualtime

from device import errors

_AGAIN_MS = 90_000
_MOST_OFFERS = 14
_BYTES_PER_MS = 8  # of a flood


class Broker:
    """reports: [(type, version)]; codes: of the errors heard, in order; confirmed: versions.

    says: {"connack", "greeting", "suback", "puback", "pingresp", "flood"}: hex of what a hostile broker says
    there; the greeting follows the CONNACK, the flood comes after that for ever. packets: [[ms, hex], …],
    sent so long after the next report.
    """

    def __init__(self, prefix, offer):
        self._prefix = prefix
        self.offer = offer
        self.script = []  # how the first offers differ from the right one, see _bend
        self.push_after_ms = 0
        self.repeats = 1  # deliveries of each offer
        self.retained = False  # a copy of the offer at each subscription
        self.answers_get = self.insists = False  # insists: pushes also what the device has
        self.says = {}
        self.packets = []
        self._due = []  # [virtual ms, bytes]
        self.problem = None
        self.certificate_name = None
        self.pushes = 0
        self.most_pushes = _MOST_OFFERS
        self.again_ms = _AGAIN_MS  # from an error to the next offer
        self.reports, self.codes, self.confirmed = [], [], []
        self._subscribed = set()
        self._unacknowledged = []  # (topic, payload)
        self.again_at_ms = None  # virtual time of the next push
        self._connection = None

    def accept(self):
        self._connection = _Connection(self)
        return self._connection

    def tick(self):
        if self.again_at_ms is not None and virtualtime.now_ms >= self.again_at_ms:
            self.again_at_ms = None
            self.push()
        while self._due and virtualtime.now_ms >= self._due[0][0]:
            _, packet = self._due.pop(0)
            if self._connection:
                self._connection.send(packet)

    def quiet(self):
        """Nothing of an attack is left."""
        if self.says and self._connection:
            self._connection.hang_up()
        self.says, self.packets, self.script = {}, [], []
        self.insists = self.retained = self.answers_get = False
        self._due[:] = self._unacknowledged[:] = []
        self.again_ms, self.push_after_ms = _AGAIN_MS, 0
        self.repeats, self.most_pushes = 1, self.pushes + _MOST_OFFERS

    def push(self):
        if self.pushes < self.most_pushes:
            self.pushes += 1
            payload = self.payload(self.pushes)
            for _ in range(self.repeats):
                self.send("update", payload)

    def payload(self, sequence):
        change = self.script.pop(0) if self.script else {}
        data = dict(self.offer)
        data.update({key: value for key, value in change.items() if key not in _WHOLE})
        data = {key: value for key, value in data.items() if value != "absent"}
        sequence += change.get("sequence", 0)
        message = {"msg_sequence": sequence, "time": virtualtime.unix_s(), "data": data}
        return _bend(json.dumps(message), change).encode()

    def send(self, name, payload):
        topic = (self._prefix + name).encode()
        if topic in self._subscribed:
            self._unacknowledged.append((topic, payload))
            if self._connection:
                self._connection.deliver(topic, payload)

    def hear(self, topic, payload):
        name = topic.decode()[len(self._prefix) :]
        message = json.loads(payload)
        data = message["data"]
        self.confirmed += [data["version"]] if data.get("state") == "confirmed" else []
        if name == "firmware/report":
            self.reports.append((data["type"], data["version"]))
            self._due += [[virtualtime.now_ms + ms, bytes.fromhex(text)] for ms, text in self.packets]
            self.packets = []
            if self.insists or data["version"] != self._wanted():
                if virtualtime.now_ms >= self.push_after_ms:
                    self.push()
                else:
                    self.again_at_ms = self.push_after_ms
        elif name == "get" and self.answers_get:
            self.send("response", self.payload(message["msg_sequence"]))
        elif "errorCode" in data:
            self.codes.append(data["errorCode"])
            if data["errorCode"] != errors.REFUSED_IMAGE:  # failed its trials: only an operator's look helps
                self.again_at_ms = virtualtime.now_ms + self.again_ms

    def _wanted(self):
        return self.offer.get("version")

    def subscribe(self, topic):
        self._subscribed.add(topic)
        if self.retained and topic.endswith(b"update"):
            self._unacknowledged.append((topic, self.payload(0)))
            self._connection.deliver(topic, self.payload(0))

    def greet(self, connection):
        for topic, payload in self._unacknowledged:
            connection.deliver(topic, payload)

    def acknowledge(self):
        if self._unacknowledged:
            self._unacknowledged.pop(0)


_WHOLE = ("prefix", "raw", "fill", "deep", "twice", "sequence")


def _bend(text, change):
    """What stands for the whole payload instead: cut short, anything, or blown up."""
    if "prefix" in change:
        return text[: change["prefix"]]
    if "fill" in change:
        return text[:-1] + ', "x": "' + "x" * change["fill"] + '"}'
    if "deep" in change:
        return text[:-1] + ', "x": ' + "[" * change["deep"] + "]" * change["deep"] + "}"
    if "twice" in change:
        return text[:-1] + ', "data": {"size": 5}}'
    return change.get("raw", text)


class _Connection:
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
