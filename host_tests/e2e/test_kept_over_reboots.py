"""What a board still knows after a power cut: its failures, its verdicts, its settings."""

from __future__ import annotations

import json

import checks
import pytest
import steps
from apps import AGENT, HANGS, RESETS, SELF_TEST_FAILS

from device import errors
from tools.server.files import Fault
from tools.testbed.ntp import NtpServer

pytestmark = pytest.mark.sample(4)

NEVER_CONNECTS = AGENT + "settings.broker_address = ('mqtt', 'localhost', 1)\nagent.Agent(settings).run()\n"
FAILS_ONCE = """
import machine
try:
    open("failed").close()
except OSError:
    open("failed", "w").close()
    machine.reset()
from device import agent
agent.main("ota.json")
"""
CLEARS_BY_AGENT = AGENT + "ota = agent.Agent(settings)\nota.clear_refused()\nota.run()\n"
CLEARS_BY_STATE = """
from device import agent, state
state.clear_refused()
agent.main("ota.json")
"""


def _restart(testbed) -> None:
    """Cut the power, switch on again, and wait until an offer would be taken."""
    testbed.board.cut_power()
    since, start = len(testbed.operator.messages), len(testbed.board.lines)
    testbed.board.power_on()
    testbed.wait_report("INIT", steps.PATIENCE_S, since)
    testbed.board.wait_for("MQTTS connected", start=start)


def _check_updated(testbed, image) -> None:
    testbed.wait_report("UPDATE", steps.PATIENCE_S)
    checks.check_confirmed(testbed, image)


# What failed


@pytest.mark.code(errors.SHA256_ECDSA)
def test_bad_image_is_not_fetched_again(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.spoilt_offer(testbed)
    steps.refuse(testbed, offer, errors.SHA256_ECDSA)
    steps.refuse(testbed, offer, errors.SHA256_ECDSA)  # by now the failure is stored
    for _ in range(2):
        _restart(testbed)
        steps.refuse(testbed, offer, errors.SHA256_ECDSA)
    assert len(testbed.files.requests) == 1
    (testbed.images / "firmware-1.0.1.img").write_bytes(image)
    steps.update(testbed, testbed.offer(image, "1.0.1"))  # signed anew: another offer


@pytest.mark.code(errors.HTTP_STATUS)
def test_back_off_goes_on(make_testbed):
    """The second failure of a kind makes the offer wait for a minute, of the clock and not of uptime."""
    ntp = NtpServer()
    testbed = make_testbed(ntp=ntp)
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(status=404, times=2))
    for _ in range(2):
        steps.refuse(testbed, offer, errors.HTTP_STATUS)
    testbed.push(offer)
    testbed.board.wait_for("have failed: it waits")
    for count in (1, 2):
        testbed.push(offer)
        steps.wait_lines(testbed, "offer of 1.0.1 is known", count)
        _restart(testbed)
    assert len(testbed.files.requests) == 2
    testbed.board.cut_power()
    ntp.offset_s = 61
    testbed.board.power_on()
    _check_updated(testbed, image)


# Trials


@pytest.mark.code(errors.ROLLED_BACK, errors.REFUSED_IMAGE)
@pytest.mark.parametrize(
    ("source", "cause"),
    [
        (HANGS, "watchdog"),
        (SELF_TEST_FAILS, "self test failed"),
        (RESETS, "reset"),
        (NEVER_CONNECTS, f"not confirmed within {{trial_limit_s}} s, last error {errors.CONNECTION_FAILED}"),
    ],
    ids=["watchdog", "self test", "reset", "time"],
)
def test_cause_of_a_roll_back(make_testbed, make_app, source, cause):
    testbed = make_testbed(config={"trial_attempts": 1, "watchdog_s": 3, "trial_limit_s": 3})
    steps.online(testbed)
    offer = testbed.offer(testbed.build("1.0.1", make_app(source)), "1.0.1")
    testbed.push(offer)
    data = testbed.wait_error(errors.ROLLED_BACK).data
    assert (data["version"], data["cause"]) == ("1.0.1", cause.format(**testbed.configuration()))
    assert set(data) == {"errorCode", "errorMsg", "version", "cause"}
    steps.refuse(testbed, offer, errors.REFUSED_IMAGE)  # by now the board knows that its report has arrived
    testbed.board.cut_power()
    state = testbed.board.state()
    assert [entry["version"] for entry in state["refused"]] == ["1.0.1"]
    assert not state["waiting"]
    _restart(testbed)
    assert checks.error_codes(testbed) == [errors.ROLLED_BACK, errors.REFUSED_IMAGE]


def test_broker_away_in_every_trial(make_testbed):
    """A single counted attempt would condemn the image, but the old one cannot connect at once either."""
    config = {"trial_attempts": 1, "trial_limit_s": 2, "mqtt_timeout_s": 1, "http_timeout_s": 1}
    testbed = make_testbed(config=config)
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(stall_after=20000))
    testbed.push(offer)
    steps.wait_written(testbed, 4)
    start = len(testbed.board.lines)
    away = str(errors.CONNECTION_FAILED)
    for _ in range(2):
        testbed.broker.kill()
        _wait_in_turn(testbed, start, "trial of 1.0.1: not confirmed within", "slot ota_0", away)
        start = len(testbed.board.lines)
        testbed.broker.start()
        testbed.board.wait_for("1.0.1 did not confirm", start=start)
    testbed.board.wait_for("confirmed 1.0.1")  # the operator may not be back yet to hear of it
    assert steps.lines_with(testbed, str(errors.ROLLED_BACK)) == 0
    checks.check_record(testbed, "ota_1", image, "1.0.1")


def _wait_in_turn(testbed, start, *texts) -> None:
    """For console lines with these texts, each after the one before."""
    for text in texts:
        line = testbed.board.wait_for(text, start=start)
        start = testbed.board.lines.index(line, start) + 1


@pytest.mark.code(errors.REFUSED_IMAGE)
@pytest.mark.parametrize("source", [CLEARS_BY_AGENT, CLEARS_BY_STATE], ids=["agent", "state"])
def test_refused_image_gets_another_chance(make_testbed, make_app, source):
    """Here the operator's button is the power switch: the application clears at each start."""
    testbed = make_testbed(app=make_app(source), config={"trial_attempts": 1})
    steps.online(testbed)
    image = testbed.build("1.0.1", make_app(FAILS_ONCE))
    offer = testbed.offer(image, "1.0.1")
    testbed.push(offer)
    testbed.wait_error(errors.ROLLED_BACK)
    steps.refuse(testbed, offer, errors.REFUSED_IMAGE)
    _restart(testbed)
    steps.update(testbed, offer)
    _check_updated(testbed, image)


@pytest.mark.code(errors.REFUSED_IMAGE)
def test_refused_image_gets_none_by_itself(make_testbed, make_app):
    testbed = make_testbed(config={"trial_attempts": 1})
    steps.online(testbed)
    offer = testbed.offer(testbed.build("1.0.1", make_app(FAILS_ONCE)), "1.0.1")
    testbed.push(offer)
    testbed.wait_error(errors.ROLLED_BACK)
    for _ in range(2):
        steps.refuse(testbed, offer, errors.REFUSED_IMAGE)
        _restart(testbed)


# Files of another format


def test_newer_configuration(make_testbed):
    """What an old image finds after a newer one: it says what it does not know, and runs."""
    testbed = make_testbed(config={"format": 3, "colour": "red"})
    steps.online(testbed)
    assert "W/ota" in testbed.board.wait_for("key 'colour' is newer than this image")
    steps.update(testbed, steps.new_offer(testbed)[1])


@pytest.mark.code(errors.INVALID_PARAM)
@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"format": 2, "colour": "red"}, "unknown key 'colour'"),
        ({"format": 3, "keepalive_s": -1}, "bad value for 'keepalive_s'"),
        ({"format": 0}, "bad value for 'format'"),
        ({"format": "3", "colour": "red"}, "configuration: "),
    ],
    ids=["unknown key", "bad value", "format 0", "format as text"],
)
def test_refused_configuration(make_testbed, config, what):
    testbed = make_testbed(config=config)
    testbed.board.power_on()
    assert what in testbed.board.wait_for("-3 Bad configuration")
    assert not testbed.operator.messages


NEWER = {"format": 2, "moods": {"of": "the board"}, "tariff": [1, None, "two"]}


def _written_by_a_newer_image(testbed) -> None:
    """Keys that this image does not know, beside the others and inside of them."""
    path = testbed.board.folder / "fs" / "ota_state.json"
    state = json.loads(path.read_text()) | NEWER
    state["slots"]["ota_0"]["colour"] = "red"
    path.write_text(json.dumps(state))
    testbed.board.provision()


def _check_newer_kept(testbed) -> None:
    testbed.board.cut_power()
    state = testbed.board.state()
    assert {key: state[key] for key in NEWER} == NEWER
    assert state["slots"]["ota_0"]["colour"] == "red"


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_newer_state_after_an_update(make_testbed, runtime):
    testbed = make_testbed(runtime=runtime)
    _written_by_a_newer_image(testbed)
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    steps.update(testbed, offer)
    _check_updated(testbed, image)
    _check_newer_kept(testbed)


def test_newer_state_after_a_roll_back(make_testbed, make_app):
    testbed = make_testbed(config={"trial_attempts": 1})
    _written_by_a_newer_image(testbed)
    steps.online(testbed)
    testbed.push(testbed.offer(testbed.build("1.0.1", make_app(RESETS)), "1.0.1"))
    testbed.wait_error(errors.ROLLED_BACK)
    _check_newer_kept(testbed)
