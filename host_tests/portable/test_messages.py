"""device.offers: the latest offer wins, and the owner may take one back."""

import json

import makeoffer
from check import patched, raises_code
from fakeagent import FakeAgent
from faketime import FakeTime

from device import board, clock, errors, offers
from device.offer import parse_message

NOW = 1800000000
SIGNATURE = makeoffer.fields()["sig-sha256-ecdsa"]
OTHER = makeoffer.base64(b"another one")
FILE = "messages.json"


def _agent(path=None, **changes):
    agent = FakeAgent(path, **changes)
    agent.has_rollback = True
    agent.running = {"version": "1.0.0", "build_time": ""}
    return agent


def _take(agent, data, name="update"):
    payload = json.dumps(makeoffer.message(data)).encode()
    with patched(clock, "now", lambda: NOW), patched(board, "spare", lambda: None):
        offers.receive(agent, name, payload)
    return agent.offer


def test_a_cancel_names_a_signature():
    message = makeoffer.message({"cancel": SIGNATURE})
    assert parse_message(json.dumps(message).encode()) [:2] == (7, SIGNATURE)
    for wrong in (1, True, [], {}, 1.5):
        message = json.dumps(makeoffer.message({"cancel": wrong})).encode()
        raises_code(errors.BAD_MESSAGE, parse_message, message)
    agent = _agent()
    _take(agent, {"cancel": 5})
    assert agent.report.codes() == [errors.BAD_MESSAGE]


def test_an_offer_that_waits_is_taken_back():
    for signature in (SIGNATURE, "*"):
        agent = _agent(FILE)
        assert _take(agent, makeoffer.fields(upgrade_delay=NOW + 60))
        assert _take(agent, {"cancel": signature}) is None
        assert agent.report.added == ['{"state": "cancelled"}'] and agent.report.errors == []
        assert FakeAgent(FILE).state["waiting"] is None
        assert _take(agent, makeoffer.fields()), "the same may be offered again"


def test_a_cancel_of_something_else_is_ignored():
    agent = _agent()
    _take(agent, {"cancel": "*"})
    first = _take(agent, makeoffer.fields())
    saves = agent.saves
    assert _take(agent, {"cancel": OTHER}) is first
    assert _take(agent, {"cancel": ""}) is first
    assert _take(agent, {"cancel": "*"}, "response") is first
    assert (agent.report.added, agent.report.errors, agent.saves) == ([], [], saves)


def test_cancels_without_end_write_nothing():
    agent = _agent()
    for second in range(100):
        _take(agent, makeoffer.fields(upgrade_delay=NOW + second))
        _take(agent, {"cancel": "*"})
    assert agent.saves == 40 and len(agent.report.added) == 100


def _running():
    return patched(board, "running", lambda: (None, "ota_0"))


def test_of_all_that_are_there_the_latest_is_taken():
    agent = _agent()
    for number in (3, 9, 5):
        fields = makeoffer.fields(version="1.0.%d" % number)
        agent.link.messages.append(("update", json.dumps(makeoffer.message(fields)).encode()))
    agent.sync_due_ms = 1 << 40
    with patched(clock, "now", lambda: NOW), patched(board, "spare", lambda: None), _running():
        waiting = agent._wait_for_update()
        for _ in range(3):
            next(waiting)
            assert agent.is_due() and not agent.is_updating
        assert len(list(waiting)) == 0 and agent.is_updating
    assert agent.offer.version == "1.0.5"


def test_messages_without_end_do_not_hold_it_up_for_ever():
    agent = _agent()
    agent.sync_due_ms = 1 << 40
    at = [NOW]
    with patched(clock, "now", lambda: at[0]), patched(board, "spare", lambda: None), _running():
        offers.take(agent, "update", 0, makeoffer.offer())
        agent.link.messages = [("update", b"{}")] * 1000
        waiting = agent._wait_for_update()
        for _ in waiting:
            at[0] += 1
    assert agent.is_updating and 60 <= at[0] - NOW <= 62


def test_an_update_without_progress_gives_way_to_another_offer():
    other = makeoffer.fields(signature=OTHER)
    with FakeTime() as time:
        agent = _agent()
        first = _take(agent, makeoffer.fields())
        agent.is_updating = True
        agent.progressed_ms = clock.time.ticks_ms()
        time.advance(299_999)
        assert _take(agent, other) is first and agent.report.codes() == [errors.ALREADY_RUNNING]
        time.advance(1)
        assert _take(agent, makeoffer.fields()) is first
        moved = _take(agent, makeoffer.fields(https_url="https://files/new"))
        assert moved.url == "https://files/new", "the same image from elsewhere"
        assert _take(agent, makeoffer.fields()).fields == first.fields
        first = agent.offer
        assert _take(agent, dict(other, version="0.9.9")) is first, "not to one that is not acceptable"
        assert _take(agent, other).signature_text == OTHER
        assert agent.state["waiting"]["sig-sha256-ecdsa"] == OTHER
