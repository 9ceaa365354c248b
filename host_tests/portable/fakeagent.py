"""An agent that never ran: what the device's functions use of agent.Agent, around fakes that record.

The methods are the real ones; only what leaves the board (link, report, record, restart) is noted instead.
"""

import json
import os

from check import settings

from device import agent, errors, phases


class FakeAgent(agent.Agent):
    """path: of the record, read now and written by save_state(); None = it is empty and stays in memory.
    changes: to the settings.

    saves: how often the record was saved; save_fails: flash refuses it. restarts: why, one text each.
    """

    def __init__(self, path=None, **changes):
        self.config = settings(**changes)
        self.may_start = self._before_reboot = self.self_test = _yes
        self.link = FakeLink()
        phases.call("start", "clear", self)
        if path is None and "ota_floor" in os.listdir():
            os.remove("ota_floor")
        self.state = phases.call("state", "load", path or "no_record")
        self.running = {"version": "0.0.0", "build_time": ""}
        self._next_get = self._step = 0
        self.wlan, self.reset = FakeWlan(), _yes
        self.report = FakeReport(self.link)
        self.path = path
        self.saves = 0
        self.save_fails = False
        self.restarts = []

    def save_state(self):
        self.saves += 1
        if self.save_fails:
            raise errors.OtaError(errors.FLASH, "state")
        if self.path:
            phases.call("record", "save", self.state, self.path)

    def restart(self, why):
        self.restarts.append(why)
        agent.Agent.restart(self, why)


class FakeWlan:
    """A `network.WLAN`. is_up: what isconnected() says; tried: (ssid, password) of each connect()."""

    def __init__(self):
        self.is_up = True
        self.tried = []

    def isconnected(self):
        return self.is_up

    def active(self, _):
        pass

    def connect(self, ssid, password):
        self.tried.append((ssid, password))

    def disconnect(self):
        pass

    def ifconfig(self):
        return ("10.0.0.2", "", "", "")


class FakeLink:
    """An open link.Link. published: (name, payload, waits) of each; messages: what receive() gives, one after
    the other; failures: exceptions that the next calls of connect() and publish() raise, None = it works."""

    def __init__(self):
        self.is_open = True
        self.context = None
        self.published = []
        self.failures = []
        self.messages = []
        self.connects = 0

    def connect(self):
        self.connects += 1
        self._fail()
        self.is_open = True

    def publish(self, name, payload, waits=True):
        self._fail()
        self.published.append((name, payload, waits))

    def receive(self):
        return self.messages.pop(0) if self.messages else None

    def keep_alive(self):
        pass

    def close(self):
        self.is_open = False

    def _fail(self):
        failure = self.failures.pop(0) if self.failures else None
        if failure:
            self.is_open = False
            raise failure


def data_of(payload):
    """The data in an envelope."""
    return fields_of(payload)["data"]


def fields_of(payload):
    """An envelope's data and what stands beside it; the rest is not JSON while the simulated board's clock
    stands at 0."""
    return json.loads('{"data": ' + payload.split('"data": ', 1)[1])


class FakeReport:
    """A report.Report; nothing of it reaches the link. errors, percents, added: what it was told; rooms: how
    often memory can be made free; unsent: may be filled by a test."""

    def __init__(self, link):
        self.link = link
        self.errors = []
        self.percents = []
        self.added = []
        self.unsent = []
        self.published = []
        self.asked = None
        self.sequence = 0
        self.rooms = 1

    def codes(self):
        return [error.code for error in self.errors]

    def error(self, error):
        self.errors.append(error)

    def start(self):
        pass

    def progress(self, percent):
        self.percents.append(percent)

    def add(self, data, waits=False):
        self.added.append(data)

    def publish(self, name, data):
        self.published.append((name, data))

    def free_memory(self):
        self.rooms -= 1
        return self.rooms >= 0


def _yes():
    return True
