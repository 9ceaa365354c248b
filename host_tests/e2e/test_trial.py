"""A new image that fails: the old one comes back, tries it again, gives it up and refuses it."""

from __future__ import annotations

import checks
import pytest
import steps
from apps import HANGS, RESETS, SELF_TEST_FAILS, SELF_TEST_RAISES

from device import errors
from tools.image import images, signing
from tools.testbed.testbed import BOARD


def _fail_trials(testbed, image, attempts):
    """Offer an image that cannot prove itself, and wait until it is given up."""
    offer = testbed.offer(image, "1.0.1")
    testbed.push(offer)
    testbed.wait_error(errors.ROLLED_BACK)
    assert steps.lines_with(testbed, "boot: running slot ota_1") == attempts
    assert ("UPDATE", "1.0.1") not in checks.reports(testbed)
    assert {version for _, version in checks.reports(testbed)} == {"1.0.0"}
    assert checks.error_codes(testbed) == [errors.ROLLED_BACK]
    return offer


def _check_refused(testbed, image, offer):
    """The same offer is refused at once, the same image under a new signature once it is known."""
    fetched = len(testbed.files.requests)
    steps.wait_subscribed(testbed)
    steps.refuse(testbed, offer, errors.REFUSED_IMAGE)
    assert len(testbed.files.requests) == fetched
    steps.refuse(testbed, offer | {"sig-sha256-ecdsa": _signed_again(testbed, image)}, errors.REFUSED_IMAGE)
    assert len(testbed.files.requests) == fetched + 1
    testbed.board.cut_power()
    assert testbed.board.slot("ota_1", 64) == b"\xff" * 64
    assert testbed.board.state()["refused"][0]["version"] == "1.0.1"
    start = len(testbed.board.lines)
    testbed.board.power_on()
    testbed.board.wait_for("MQTTS connected", start=start)
    assert testbed.board.wait_for("boot: running", start=start).endswith("ota_0")


def _signed_again(testbed, image):
    return signing.sign(image, testbed.signing_key)


@pytest.mark.code(errors.ROLLED_BACK, errors.REFUSED_IMAGE)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_crashes_at_once(make_testbed, make_app, runtime):
    testbed = make_testbed(runtime=runtime)
    steps.online(testbed)
    image = testbed.build("1.0.1", make_app(RESETS))
    offer = _fail_trials(testbed, image, 3)
    _check_refused(testbed, image, offer)


@pytest.mark.code(errors.ROLLED_BACK)
@pytest.mark.parametrize("source", [SELF_TEST_FAILS, SELF_TEST_RAISES], ids=["False", "raises"])
def test_self_test(make_testbed, make_app, source):
    """It runs before the first report, so nothing is ever claimed for such an image."""
    testbed = make_testbed(config={"trial_attempts": 2})
    steps.online(testbed)
    _fail_trials(testbed, testbed.build("1.0.1", make_app(source)), 2)
    assert steps.lines_with(testbed, "trial of 1.0.1: self test failed") == 2


@pytest.mark.code(errors.ROLLED_BACK)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_hangs(make_testbed, make_app, runtime):
    """The watchdog that the agent started ends it."""
    testbed = make_testbed(runtime=runtime, config={"trial_attempts": 1, "watchdog_s": 3})
    steps.online(testbed)
    _fail_trials(testbed, testbed.build("1.0.1", make_app(HANGS)), 1)
    assert steps.lines_with(testbed, "it hangs") == 1


@pytest.mark.code(errors.ROLLED_BACK, errors.REFUSED_IMAGE)
def test_cannot_be_executed(make_testbed):
    """Header and CRC are right, but the machine panics on it."""
    testbed = make_testbed(image="wm")
    steps.online(testbed)
    noise = images.wm_image(bytes(range(256)) * 40, "1.0.1")
    image = images.add_trailer(noise, "1.0.1", BOARD, "")
    offer = _fail_trials(testbed, image, 3)
    assert steps.lines_with(testbed, "it panics") == 3
    _check_refused(testbed, image, offer)


@pytest.mark.code(errors.ROLLED_BACK)
@pytest.mark.parametrize("module", ["link", "board", "phases", "guard"])
def test_broken_device_package(make_testbed, make_app, module):
    """Also of what guards it."""
    app = make_app("")
    (app / "main.py").unlink()
    (app / "device").mkdir()
    (app / "device" / f"{module}.py").write_text("import no_such_module\n")
    testbed = make_testbed(config={"trial_attempts": 1})
    steps.online(testbed)
    _fail_trials(testbed, testbed.build("1.0.1", app), 1)
    assert "no_such_module" in testbed.wait_error(errors.ROLLED_BACK).data["cause"]


@pytest.mark.code(errors.ROLLED_BACK)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_raises_before_there_is_an_agent(make_testbed, make_app, runtime):
    """It would leave the board in its prompt for ever."""
    testbed = make_testbed(runtime=runtime)
    steps.online(testbed)
    _fail_trials(testbed, testbed.build("1.0.1", make_app("1 // 0\n")), 3)
    assert testbed.wait_error(errors.ROLLED_BACK).data["cause"].startswith("ZeroDivisionError: ")


@pytest.mark.code(errors.ROLLED_BACK)
def test_power_cycles_do_not_excuse_it_for_ever(make_testbed, make_app):
    """They do not count against an image, but ten of them do."""
    testbed = make_testbed(config={"trial_attempts": 2})
    steps.online(testbed)
    hangs = make_app("print('it hangs')\nwhile True:\n    pass\n")
    testbed.push(testbed.offer(testbed.build("1.0.1", hangs), "1.0.1"))
    for boot in range(10):
        steps.wait_lines(testbed, "it hangs", boot + 1)
        testbed.board.cut_power()
        testbed.board.power_on()
    testbed.wait_error(errors.ROLLED_BACK)
    assert steps.lines_with(testbed, "boot: running slot ota_1") == 10


def test_better_one_after_a_bad_one(make_testbed, make_app):
    testbed = make_testbed(config={"trial_attempts": 1})
    steps.online(testbed)
    _fail_trials(testbed, testbed.build("1.0.1", make_app(RESETS)), 1)
    image, offer = steps.new_offer(testbed, "1.0.2")
    steps.update(testbed, offer)
    testbed.board.wait_for("confirmed 1.0.2")
    testbed.board.cut_power()
    assert testbed.board.slot("ota_1", len(image)) == image
    assert not testbed.board.state()["trial"]


@pytest.mark.code(errors.ROLLED_BACK)
def test_second_update_is_rolled_back(make_testbed, make_app):
    """The boot record then holds an aborted entry above the valid one: the board must not stumble over it."""
    testbed = make_testbed(config={"trial_attempts": 1})
    steps.online(testbed)
    steps.update(testbed, steps.new_offer(testbed, "1.0.1")[1])
    testbed.board.wait_for("confirmed 1.0.1")
    since = len(testbed.operator.messages)
    testbed.push(testbed.offer(testbed.build("1.0.2", make_app(RESETS)), "1.0.2"))
    error = testbed.wait_error(errors.ROLLED_BACK, since=since)
    assert error.data["version"] == "1.0.2"
    steps.update(testbed, steps.new_offer(testbed, "1.0.3")[1])
    assert checks.reports(testbed)[-1] == ("UPDATE", "1.0.3")
