"""device.online: what a board says of itself, to the letter."""

from check import patched, raises_code, recorded_log
from fakeagent import FakeAgent, data_of, fields_of

from device import board, clock, errors, online
from device.report import Report

RUNNING = {"version": "1.1.6", "build_time": "May 24 2024 10:33:41"}
BESIDE = ', "version": "1.1.6", "slot": "ota_0", "state": "%s", "knows": ["cancel"]}'


def _agent():
    agent = FakeAgent()
    agent.report = Report(agent.link, "en")
    agent.running = dict(RUNNING)
    return agent


def _said(agent, function):
    """The name and the payload that it publishes."""
    with patched(board, "running", lambda: (None, "ota_0")), patched(clock, "now", lambda: 1716517000):
        getattr(online, function)(agent)
    name, payload, waits = agent.link.published[-1]
    assert waits
    return name, payload


def test_the_first_report():
    name, payload = _said(_agent(), "tell_start")
    data = '{"type": "INIT", "version": "1.1.6", "build_time": "May 24 2024 10:33:41", "slot": "ota_0"}'
    head = '{"msg_sequence": 0, "time": 1716517000000, "data": '
    assert name == "firmware/report" and payload == head + data + BESIDE % "idle"
    agent = _agent()
    agent.is_new = True
    assert data_of(_said(agent, "tell_start")[1])["type"] == "UPDATE"


def test_a_build_time_cannot_break_out_of_its_string():
    agent = _agent()
    agent.running["build_time"] = 'a"b\\c\n'
    assert data_of(_said(agent, "tell_start")[1])["build_time"] == 'a"b\\c\n'


def test_a_question_carries_the_state_beside_empty_data():
    agent = _agent()
    assert agent.report.asked is None
    for number in range(2):
        name, payload = _said(agent, "ask")
        assert name == "get" and agent.report.asked == number
        head = '{"msg_sequence": %d, "time": 1716517000000, "data": {}' % number
        assert payload == head + BESIDE % "idle"


def test_states():
    agent = _agent()
    for key, value, state in (
        (None, None, "idle"), ("waiting", {"version": "1.2.3"}, "waiting"), ("trial", {"size": 5}, "trial"),
    ):  # fmt: skip
        agent.state[key] = value
        assert fields_of(_said(agent, "ask")[1])["state"] == state
    agent.is_updating = True
    assert fields_of(_said(agent, "ask")[1])["state"] == "updating"


def test_that_an_image_is_confirmed_is_told_until_it_is_acknowledged():
    agent = _agent()
    agent.state["untold"] = "1.1.6"
    agent.link.failures = [errors.OtaError(errors.TIMEOUT)]
    raises_code(errors.TIMEOUT, online.tell_confirmed, agent)
    assert agent.state["untold"] == "1.1.6" and agent.saves == 0
    name, payload = _said(agent, "tell_confirmed")
    assert name == "progress/report" and data_of(payload) == {"state": "confirmed", "version": "1.1.6"}
    assert agent.state["untold"] is None and agent.saves == 1


def test_a_record_that_cannot_be_written_keeps_nobody_offline():
    agent = _agent()
    agent.state["untold"] = "1.1.6"
    agent.save_fails = True
    with recorded_log() as lines:
        _said(agent, "tell_confirmed")
    assert lines[-1].startswith("E/ota") and lines[-1].endswith("state")
