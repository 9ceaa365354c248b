"""A new image that fails: the old one comes back, tries it again, gives it up and refuses it."""

from __future__ import annotations

import checks
import pytest
import steps
from apps import HANGS, RESETS, SELF_TEST_FAILS, SELF_TEST_RAISES

from device import errors
from tools.image import images, signing
from tools.testbed.stage import BOARD


def _fail_trials(stage, image, attempts):
    """Offer an image that cannot prove itself, and wait until it is given up."""
    offer = stage.offer(image, "1.0.1")
    stage.push(offer)
    stage.wait_error(errors.ROLLED_BACK)
    assert steps.lines_with(stage, "boot: running slot ota_1") == attempts
    assert ("UPDATE", "1.0.1") not in checks.reports(stage)
    assert {version for _, version in checks.reports(stage)} == {"1.0.0"}
    assert checks.error_codes(stage) == [errors.ROLLED_BACK]
    return offer


def _check_refused(stage, image, offer):
    """The same offer is refused at once, the same image under a new signature once it is known."""
    fetched = len(stage.files.requests)
    steps.wait_subscribed(stage)
    steps.refuse(stage, offer, errors.REFUSED_IMAGE)
    assert len(stage.files.requests) == fetched
    steps.refuse(stage, offer | {"sig-sha256-ecdsa": _signed_again(stage, image)}, errors.REFUSED_IMAGE)
    assert len(stage.files.requests) == fetched + 1
    stage.board.cut_power()
    assert stage.board.slot("ota_1", 64) == b"\xff" * 64
    assert stage.board.state()["refused"][0]["version"] == "1.0.1"
    start = len(stage.board.lines)
    stage.board.power_on()
    stage.board.wait_for("MQTTS connected", start=start)
    assert stage.board.wait_for("boot: running", start=start).endswith("ota_0")


def _signed_again(stage, image):
    return signing.sign(image, stage.signing_key)


@pytest.mark.code(errors.ROLLED_BACK, errors.REFUSED_IMAGE)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_crashes_at_once(make_stage, make_app, runtime):
    stage = make_stage(runtime=runtime)
    steps.online(stage)
    image = stage.build("1.0.1", make_app(RESETS))
    offer = _fail_trials(stage, image, 3)
    _check_refused(stage, image, offer)


@pytest.mark.code(errors.ROLLED_BACK)
@pytest.mark.parametrize("source", [SELF_TEST_FAILS, SELF_TEST_RAISES], ids=["False", "raises"])
def test_self_test(make_stage, make_app, source):
    """It runs before the first report, so nothing is ever claimed for such an image."""
    stage = make_stage(config={"trial_attempts": 2})
    steps.online(stage)
    _fail_trials(stage, stage.build("1.0.1", make_app(source)), 2)
    assert steps.lines_with(stage, "trial of 1.0.1: self test failed") == 2


@pytest.mark.code(errors.ROLLED_BACK)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_hangs(make_stage, make_app, runtime):
    """The watchdog that the agent started ends it."""
    stage = make_stage(runtime=runtime, config={"trial_attempts": 1, "watchdog_s": 3})
    steps.online(stage)
    _fail_trials(stage, stage.build("1.0.1", make_app(HANGS)), 1)
    assert steps.lines_with(stage, "it hangs") == 1


@pytest.mark.code(errors.ROLLED_BACK, errors.REFUSED_IMAGE)
def test_cannot_be_executed(make_stage):
    """Header and CRC are right, but the machine panics on it."""
    stage = make_stage(image="wm")
    steps.online(stage)
    noise = images.wm_image(bytes(range(256)) * 40, "1.0.1")
    image = images.add_trailer(noise, "1.0.1", BOARD, "")
    offer = _fail_trials(stage, image, 3)
    assert steps.lines_with(stage, "it panics") == 3
    _check_refused(stage, image, offer)


@pytest.mark.code(errors.ROLLED_BACK)
@pytest.mark.parametrize("module", ["link", "board", "phases", "guard"])
def test_broken_device_package(make_stage, make_app, module):
    """Also of what guards it."""
    app = make_app("")
    (app / "main.py").unlink()
    (app / "device").mkdir()
    (app / "device" / f"{module}.py").write_text("import no_such_module\n")
    stage = make_stage(config={"trial_attempts": 1})
    steps.online(stage)
    _fail_trials(stage, stage.build("1.0.1", app), 1)
    assert "no_such_module" in stage.wait_error(errors.ROLLED_BACK).data["cause"]


@pytest.mark.code(errors.ROLLED_BACK)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_raises_before_there_is_an_agent(make_stage, make_app, runtime):
    """It would leave the board in its prompt for ever."""
    stage = make_stage(runtime=runtime)
    steps.online(stage)
    _fail_trials(stage, stage.build("1.0.1", make_app("1 // 0\n")), 3)
    assert stage.wait_error(errors.ROLLED_BACK).data["cause"].startswith("ZeroDivisionError: ")


@pytest.mark.code(errors.ROLLED_BACK)
def test_power_cycles_do_not_excuse_it_for_ever(make_stage, make_app):
    """They do not count against an image, but ten of them do."""
    stage = make_stage(config={"trial_attempts": 2})
    steps.online(stage)
    hangs = make_app("print('it hangs')\nwhile True:\n    pass\n")
    stage.push(stage.offer(stage.build("1.0.1", hangs), "1.0.1"))
    for boot in range(10):
        steps.wait_lines(stage, "it hangs", boot + 1)
        stage.board.cut_power()
        stage.board.power_on()
    stage.wait_error(errors.ROLLED_BACK)
    assert steps.lines_with(stage, "boot: running slot ota_1") == 10


def test_better_one_after_a_bad_one(make_stage, make_app):
    stage = make_stage(config={"trial_attempts": 1})
    steps.online(stage)
    _fail_trials(stage, stage.build("1.0.1", make_app(RESETS)), 1)
    image, offer = steps.new_offer(stage, "1.0.2")
    steps.update(stage, offer)
    stage.board.wait_for("confirmed 1.0.2")
    stage.board.cut_power()
    assert stage.board.slot("ota_1", len(image)) == image
    assert not stage.board.state()["trial"]


@pytest.mark.code(errors.ROLLED_BACK)
def test_second_update_is_rolled_back(make_stage, make_app):
    """The boot record then holds an aborted entry above the valid one: the board must not stumble over it."""
    stage = make_stage(config={"trial_attempts": 1})
    steps.online(stage)
    steps.update(stage, steps.new_offer(stage, "1.0.1")[1])
    stage.board.wait_for("confirmed 1.0.1")
    since = len(stage.operator.messages)
    stage.push(stage.offer(stage.build("1.0.2", make_app(RESETS)), "1.0.2"))
    error = stage.wait_error(errors.ROLLED_BACK, since=since)
    assert error.data["version"] == "1.0.2"
    steps.update(stage, steps.new_offer(stage, "1.0.3")[1])
    assert checks.reports(stage)[-1] == ("UPDATE", "1.0.3")
