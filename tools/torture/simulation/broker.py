"""The broker of the simulation with the operator behind it: persistent session, QoS 1, redelivery.

The operator pushes the offer when a device reports another version than the offer's, and offers it
again some time after an error, a bounded number of times.
"""

import json

import virtualtime
from mqttpeer import Connection

from device import errors

_AGAIN_MS = 90_000
_MAX_OFFERS = 14


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
        self.max_pushes = _MAX_OFFERS
        self.again_ms = _AGAIN_MS  # from an error to the next offer
        self.reports, self.codes, self.confirmed = [], [], []
        self._subscribed = set()
        self._unacknowledged = []  # (topic, payload)
        self.again_at_ms = None  # virtual time of the next push
        self.noise = None  # noise.Noise
        self.every_ms = None  # the operator offers again, whatever he has heard
        self._connection = None

    def accept(self):
        self._connection = Connection(self)
        return self._connection

    def tick(self):
        if self.again_at_ms is not None and virtualtime.now_ms >= self.again_at_ms:
            self.again_at_ms = None
            if self.every_ms:
                self.again_at_ms = virtualtime.now_ms + self.every_ms
            self.push()
        if self.noise:
            self.noise.tick()
        while self._due and virtualtime.now_ms >= self._due[0][0]:
            _, packet = self._due.pop(0)
            if self._connection:
                self._connection.send(packet)

    def quiet(self):
        """Nothing of an attack is left."""
        if self.says and self._connection:
            self._connection.hang_up()
        self.says, self.packets, self.script = {}, [], []
        self.noise = None
        self.insists = self.retained = self.answers_get = False
        self._due[:] = self._unacknowledged[:] = []
        self.again_ms, self.push_after_ms = _AGAIN_MS, 0
        self.repeats, self.max_pushes = 1, self.pushes + _MAX_OFFERS

    def push(self):
        if self.pushes < self.max_pushes:
            self.pushes += 1
            payload = self.payload(self.pushes)
            for _ in range(self.repeats):
                self.send("update", payload)

    def cancel(self):
        message = {"msg_sequence": 0, "time": virtualtime.START_S, "data": {"cancel": "*"}}
        self.send("update", json.dumps(message).encode())

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

    def waiting(self):
        return len(self._unacknowledged)

    def hear(self, topic, payload):
        name = topic.decode()[len(self._prefix) :]
        message = json.loads(payload)
        data = message["data"]
        self.confirmed += [data["version"]] if data.get("state") == "confirmed" else []
        if name == "firmware/report":
            self.reports.append((data["type"], data["version"]))
            if self.every_ms and data["version"] == self._wanted():
                self.every_ms = self.again_at_ms = None  # he has what he wanted
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
