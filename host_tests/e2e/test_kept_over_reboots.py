"""What a board still knows after a power cut: its download, its failures, its verdicts, its settings."""

from __future__ import annotations

import json

import checks
import pytest
import steps
from apps import AGENT, HANGS, RESETS, SELF_TEST_FAILS

from device import errors
from tools.programs import runtimes
from tools.server.files import Fault
from tools.simboard.board import BLOCK
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


def _restart(stage) -> None:
    """Cut the power, switch on again, and wait until an offer would be taken."""
    stage.board.cut_power()
    since, start = len(stage.operator.messages), len(stage.board.lines)
    stage.board.power_on()
    stage.wait_report("INIT", steps.PATIENCE_S, since)
    stage.board.wait_for("MQTTS connected", start=start)


def _begin(stage, image, offer, served) -> None:
    """Serve so many bytes of it, wait until the board has dealt with their blocks, and switch it off."""
    stage.files.fail(Fault(stall_after=served))
    stage.push(offer)
    steps.wait_written(stage, served // BLOCK)
    stage.board.cut_power()


def _check_updated(stage, image) -> None:
    stage.wait_report("UPDATE", steps.PATIENCE_S)
    stage.board.wait_for("confirmed 1.0.1")
    assert stage.board.slot("ota_1", len(image)) == image
    checks.check_record(stage, "ota_1", image, "1.0.1")


# The download


@pytest.mark.parametrize("transport", ["https", "http"])
@pytest.mark.parametrize("runtime", runtimes.END_TO_END)
def test_download_goes_on(make_stage, runtime, transport):
    stage = make_stage(runtime=runtime, config={"checkpoint_kib": 8})
    steps.online(stage)
    image, offer = steps.new_offer(stage, transport=transport)
    _begin(stage, image, offer, 5 * BLOCK + 100)
    stage.board.power_on()
    _check_updated(stage, image)
    first, head, rest = stage.files.requests
    assert first.range is None
    assert (head.range, head.status, head.sent) == ("bytes=0-63", 206, 64)
    assert (rest.range, rest.status, rest.sent) == (f"bytes={4 * BLOCK}-", 206, len(image) - 4 * BLOCK)
    used = -(-len(image) // BLOCK)
    wear = stage.board.wear("ota_1")
    assert wear == [1, 1, 1, 1, 2] + [1] * (used - 5) + [0] * (len(wear) - used)
    assert checks.error_codes(stage) == []
    assert checks.reports(stage) == [("INIT", "1.0.0"), ("INIT", "1.0.0"), ("UPDATE", "1.0.1")]


@pytest.mark.parametrize("kib", [4, 8])
@pytest.mark.parametrize("served", [0, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 6 * BLOCK + 1])
def test_goes_on_at_the_last_checkpoint(make_stage, kib, served):
    stage = make_stage(config={"checkpoint_kib": kib})
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    _begin(stage, image, offer, served)
    stage.board.power_on()
    _check_updated(stage, image)
    kept = served // (kib * 1024) * kib * 1024
    expected = ["bytes=0-63", f"bytes={kept}-"] if kept else [None]
    assert [request.range for request in stage.files.requests][-len(expected) :] == expected
    assert checks.error_codes(stage) == []


def test_goes_on_with_another_image_of_the_same_name(make_stage):
    """A checkpoint is bound to its offer: the next one starts at byte 0."""
    stage = make_stage(config={"checkpoint_kib": 4})
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    _begin(stage, image, offer, 5 * BLOCK)
    stage.files.fail(Fault(status=404))
    since = len(stage.operator.messages)
    stage.board.power_on()
    stage.wait_error(errors.HTTP_STATUS, steps.PATIENCE_S, since)
    steps.wait_subscribed(stage)
    image, offer = steps.new_offer(stage, "1.0.2")
    steps.update(stage, offer)
    assert stage.files.requests[-1].range is None
    assert stage.board.slot("ota_1", len(image)) == image


@pytest.mark.parametrize("ignores_range", [False, True], ids=["new ETag", "no ranges"])
def test_file_changed_while_the_power_was_off(make_stage, ignores_range):
    """If-Range makes the server send all of the new one, and nothing of the old one stays."""
    stage = make_stage(config={"checkpoint_kib": 4})
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    path = stage.images / "firmware-1.0.1.img"
    path.write_bytes(image[:300] + bytes(byte ^ 0x55 for byte in image[300:]))
    _begin(stage, image, offer, 5 * BLOCK + 100)
    path.write_bytes(image)
    stage.files.fail(Fault(ignore_range=ignores_range))
    stage.board.power_on()
    _check_updated(stage, image)
    again = stage.files.requests[1]
    assert (again.range, again.status, again.sent) == ("bytes=0-63", 200, len(image))
    assert len(stage.files.requests) == 2
    assert checks.error_codes(stage) == []


@pytest.mark.code(errors.SHA256_ECDSA)
def test_file_changed_to_a_wrong_one(make_stage):
    stage = make_stage(config={"checkpoint_kib": 4})
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    _begin(stage, image, offer, 5 * BLOCK + 100)
    steps.spoil(stage, image)
    stage.board.power_on()
    stage.wait_error(errors.SHA256_ECDSA)
    assert stage.board.slot("ota_1", 64) == b"\xff" * 64


# What failed


@pytest.mark.code(errors.SHA256_ECDSA)
def test_bad_image_is_not_fetched_again(make_stage):
    stage = make_stage()
    steps.online(stage)
    image, offer = steps.spoilt_offer(stage)
    steps.refuse(stage, offer, errors.SHA256_ECDSA)
    steps.refuse(stage, offer, errors.SHA256_ECDSA)  # by now the failure is stored
    for _ in range(2):
        _restart(stage)
        steps.refuse(stage, offer, errors.SHA256_ECDSA)
    assert len(stage.files.requests) == 1
    (stage.images / "firmware-1.0.1.img").write_bytes(image)
    steps.update(stage, stage.offer(image, "1.0.1"))  # signed anew: another offer


@pytest.mark.code(errors.HTTP_STATUS)
def test_back_off_goes_on(make_stage):
    """The second failure of a kind makes the offer wait for a minute, of the clock and not of uptime."""
    ntp = NtpServer()
    stage = make_stage(ntp=ntp)
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    stage.files.fail(Fault(status=404, times=2))
    for _ in range(2):
        steps.refuse(stage, offer, errors.HTTP_STATUS)
    stage.push(offer)
    stage.board.wait_for("have failed: it waits")
    for count in (1, 2):
        stage.push(offer)
        steps.wait_lines(stage, "offer of 1.0.1 is known", count)
        _restart(stage)
    assert len(stage.files.requests) == 2
    stage.board.cut_power()
    ntp.offset_s = 61
    stage.board.power_on()
    _check_updated(stage, image)


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
def test_cause_of_a_roll_back(make_stage, make_app, source, cause):
    stage = make_stage(config={"trial_attempts": 1, "watchdog_s": 3, "trial_limit_s": 3})
    steps.online(stage)
    offer = stage.offer(stage.build("1.0.1", make_app(source)), "1.0.1")
    stage.push(offer)
    data = stage.wait_error(errors.ROLLED_BACK).data
    assert (data["version"], data["cause"]) == ("1.0.1", cause.format(**stage.configuration()))
    assert set(data) == {"errorCode", "errorMsg", "version", "cause"}
    steps.refuse(stage, offer, errors.REFUSED_IMAGE)  # by now the board knows that its report has arrived
    stage.board.cut_power()
    state = stage.board.state()
    assert [entry["version"] for entry in state["refused"]] == ["1.0.1"]
    assert not state["waiting"]
    _restart(stage)
    assert checks.error_codes(stage) == [errors.ROLLED_BACK, errors.REFUSED_IMAGE]


def test_broker_away_in_every_trial(make_stage):
    """A single counted attempt would condemn the image, but the old one cannot connect at once either."""
    config = {"trial_attempts": 1, "trial_limit_s": 2, "mqtt_timeout_s": 1, "http_timeout_s": 1}
    stage = make_stage(config=config)
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    stage.files.fail(Fault(stall_after=20000))
    stage.push(offer)
    steps.wait_written(stage, 4)
    start = len(stage.board.lines)
    away = str(errors.CONNECTION_FAILED)
    for _ in range(2):
        stage.broker.kill()
        _wait_in_turn(stage, start, "trial of 1.0.1: not confirmed within", "slot ota_0", away)
        start = len(stage.board.lines)
        stage.broker.start()
        stage.board.wait_for("1.0.1 did not confirm", start=start)
    stage.board.wait_for("confirmed 1.0.1")  # the operator may not be back yet to hear of it
    assert steps.lines_with(stage, str(errors.ROLLED_BACK)) == 0
    checks.check_record(stage, "ota_1", image, "1.0.1")


def _wait_in_turn(stage, start, *texts) -> None:
    """For console lines with these texts, each after the one before."""
    for text in texts:
        line = stage.board.wait_for(text, start=start)
        start = stage.board.lines.index(line, start) + 1


@pytest.mark.code(errors.REFUSED_IMAGE)
@pytest.mark.parametrize("source", [CLEARS_BY_AGENT, CLEARS_BY_STATE], ids=["agent", "state"])
def test_refused_image_gets_another_chance(make_stage, make_app, source):
    """Here the operator's button is the power switch: the application clears at each start."""
    stage = make_stage(app=make_app(source), config={"trial_attempts": 1})
    steps.online(stage)
    image = stage.build("1.0.1", make_app(FAILS_ONCE))
    offer = stage.offer(image, "1.0.1")
    stage.push(offer)
    stage.wait_error(errors.ROLLED_BACK)
    steps.refuse(stage, offer, errors.REFUSED_IMAGE)
    _restart(stage)
    steps.update(stage, offer)
    _check_updated(stage, image)


@pytest.mark.code(errors.REFUSED_IMAGE)
def test_refused_image_gets_none_by_itself(make_stage, make_app):
    stage = make_stage(config={"trial_attempts": 1})
    steps.online(stage)
    offer = stage.offer(stage.build("1.0.1", make_app(FAILS_ONCE)), "1.0.1")
    stage.push(offer)
    stage.wait_error(errors.ROLLED_BACK)
    for _ in range(2):
        steps.refuse(stage, offer, errors.REFUSED_IMAGE)
        _restart(stage)


# Files of another format


def test_newer_configuration(make_stage):
    """What an old image finds after a newer one: it says what it does not know, and runs."""
    stage = make_stage(config={"format": 3, "colour": "red"})
    steps.online(stage)
    assert "W/ota" in stage.board.wait_for("key 'colour' is newer than this image")
    steps.update(stage, steps.new_offer(stage)[1])


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
def test_refused_configuration(make_stage, config, what):
    stage = make_stage(config=config)
    stage.board.power_on()
    assert what in stage.board.wait_for("-3 Bad configuration")
    assert not stage.operator.messages


NEWER = {"format": 2, "moods": {"of": "the board"}, "tariff": [1, None, "two"]}


def _written_by_a_newer_image(stage) -> None:
    """Keys that this image does not know, beside the others and inside of them."""
    path = stage.board.folder / "fs" / "ota_state.json"
    state = json.loads(path.read_text()) | NEWER
    state["slots"]["ota_0"]["colour"] = "red"
    path.write_text(json.dumps(state))
    stage.board.provision()


def _check_newer_kept(stage) -> None:
    stage.board.cut_power()
    state = stage.board.state()
    assert {key: state[key] for key in NEWER} == NEWER
    assert state["slots"]["ota_0"]["colour"] == "red"


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_newer_state_after_an_update(make_stage, runtime):
    stage = make_stage(runtime=runtime)
    _written_by_a_newer_image(stage)
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    steps.update(stage, offer)
    _check_updated(stage, image)
    _check_newer_kept(stage)


def test_newer_state_after_a_roll_back(make_stage, make_app):
    stage = make_stage(config={"trial_attempts": 1})
    _written_by_a_newer_image(stage)
    steps.online(stage)
    stage.push(stage.offer(stage.build("1.0.1", make_app(RESETS)), "1.0.1"))
    stage.wait_error(errors.ROLLED_BACK)
    _check_newer_kept(stage)
