"""What a board says of itself: version, slot and state, with its first report and beside each question; and
once that its image is confirmed. JSON by hand: MicroPython's dicts do not keep their order.
"""

import json

from . import errors, log, phases


def start(agent):
    """The first report after a connection. Raises OtaError if it is not acknowledged."""
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
    except errors.OtaError as error:  # it is told once more, which costs nothing
        log.error(error.detail)
