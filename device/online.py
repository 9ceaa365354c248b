"""Gets online: broker, subscriptions, first report; then the image that runs has passed its self test.

And what a board says of itself: version, slot and state, with its first report and beside each question; and
once that its image is confirmed. The only importer of umqtt.
"""

import json
import sys
import time

import umqtt.simple

from . import errors, log, phases
from .agent import call_hook
from .link import SUBSCRIBED, BlockingSocket
from .report import log_error


def connect(agent):
    """Generator, once Wi-Fi is there: from the broker to a report that is acknowledged, and the confirmation.
    Raises OtaError."""
    if agent.can_return and not agent.is_file_host_known:
        phases.call("connection", "reach_file_host", agent)
        yield
    link, report = agent.link, agent.report
    open_link(link)
    if agent.last_code == errors.TLS_REFUSED and agent.is_time_doubtful:
        log_error(errors.OtaError(errors.NO_MEM, "TLS refused before"))
    log.info("MQTTS connected" if agent.config.broker_address[0] == "mqtts" else "MQTT connected")
    yield
    if agent.is_new and not call_hook(agent.self_test) and agent.can_return:
        agent.give_up("self test failed")  # ignored where a reset would only bring the same image back
    for name in SUBSCRIBED:  # before the report, which a server may answer with an offer at once
        subscribe(link, name)
        yield
    tell_start(agent)
    yield
    agent.has_rollback = phases.call("board", "confirm")
    if "device.guard" in sys.modules:
        sys.modules["device.guard"].end()
    if agent.is_new:
        phases.call("tries", "give_back", agent.state)
        phases.call("trial", "confirm", agent)
    elif agent.state["trial"]:
        yield from phases.steps("rollback", "settle", agent)
    if agent.state["untold"]:
        tell_confirmed(agent)
    while report.unsent:
        report.send_waiting()
        yield
    agent.last_code = agent.memory_failures = 0
    phases.call("ntp", "note_known", agent)


def open_link(link):
    """Connect with the persistent session. At most mqtt_timeout_s. Raises OtaError."""
    config = link.config
    link.close()
    scheme, host, port = config.broker_address
    if scheme == "mqtts" and not link.context:
        link.context = phases.call("connection", "broker_context", config)
    stream = phases.call("connection", "connect", host, port, link.context, config.mqtt_timeout_s * 1000)
    link.was_reached = True
    link.socket = BlockingSocket(stream)
    user = (config.broker_user or link.mac).encode()
    before = umqtt.simple.socket  # an application may have a client of its own
    umqtt.simple.socket = _Sockets(link.socket)
    try:
        link.client = umqtt.simple.MQTTClient(
            link.mac.encode(), host, port, user, config.broker_password.encode(), config.keepalive_s
        )
        link.client.set_callback(link.on_message)
        link.call(link.client.connect, False)
    finally:
        umqtt.simple.socket = before
    link.is_open = True
    link.last_ping = time.ticks_ms()


def subscribe(link, name):
    """name: one of link.SUBSCRIBED. At most subscribe_timeout_s. Raises OtaError."""
    link.limit(link.config.subscribe_timeout_s)
    link.call(link.client.subscribe, link.topic(name), 1)


def tell_start(agent):
    """The first report after a connection. JSON by hand: MicroPython's dicts do not keep their order. Raises
    OtaError if it is not acknowledged."""
    running = agent.running
    kind, build_time = "UPDATE" if agent.is_new else "INIT", json.dumps(running["build_time"])
    facts = (kind, running["version"], build_time, _slot())
    data = '{"type": "%s", "version": "%s", "build_time": %s, "slot": "%s"}' % facts
    _publish(agent, "firmware/report", data)


def ask(agent):
    """Publish a `get`. Raises OtaError."""
    agent.report.asked = agent.report.sequence
    _publish(agent, "get", "{}")


def _publish(agent, name, data):
    """What stands beside the data in the envelope heals a report that was lost."""
    state = agent.state
    stage = "trial" if state["trial"] else "waiting" if state["waiting"] else "idle"
    facts = (data, agent.running["version"], _slot(), "updating" if agent.is_updating else stage)
    beside = '%s, "version": "%s", "slot": "%s", "state": "%s", "knows": ["cancel"]' % facts
    agent.report.publish(name, beside)


def _slot():
    return phases.call("board", "running")[1]


def tell_confirmed(agent):
    """At each connection until it is acknowledged. Raises OtaError if it is not."""
    data = '{"state": "confirmed", "version": "%s"}' % agent.state["untold"]
    agent.report.publish("progress/report", data)
    agent.state["untold"] = None
    try:
        agent.save_state()
    except errors.OtaError as error:  # it is reported once more, which costs nothing
        log.error(error.detail)


class _Sockets:
    """What umqtt takes for its module `socket`, while it connects: hands out one socket."""

    def __init__(self, socket):
        self._socket = socket

    def socket(self, *_):
        return self._socket

    def getaddrinfo(self, host, port, *_):
        return [(0, 0, 0, "", (host, port))]
