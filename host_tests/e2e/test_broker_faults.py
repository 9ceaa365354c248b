"""A broker that restarts, dies or falls silent, when the board is idle and while it downloads."""

from __future__ import annotations

import time

import checks
import pace
import pytest
import steps

from device import errors
from tools.server.files import Fault
from tools.simboard.board import BLOCK
from tools.testbed.testbed import MAC

HELD_AT = 12000  # bytes after which the download hangs for http_timeout_s


def _hold_download(testbed, at=HELD_AT):
    """Begin an update and return while its download hangs."""
    image, offer = steps.new_offer(testbed)
    at = at if at > 0 else len(image) + at
    testbed.files.fail(Fault(stall_after=at))
    testbed.push(offer)
    steps.wait_written(testbed, at // BLOCK)
    return image


def _check_updated(testbed, image):
    testbed.board.wait_for("confirmed 1.0.1")
    assert testbed.board.boots == 2
    assert len(testbed.files.requests) == 2
    checks.check_erased_once(testbed, "ota_1", len(image))
    checks.check_record(testbed, "ota_1", image, "1.0.1")


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_restart_when_idle(make_testbed, how):
    """The board comes back by itself, with its session, and takes an offer."""
    testbed = make_testbed()
    steps.online(testbed)
    if how == "kill":
        testbed.broker.kill()
        testbed.board.wait_for(str(errors.CONNECTION_FAILED))
        testbed.broker.start()
    else:
        testbed.broker.restart()
    testbed.operator.wait_until_connected()
    steps.wait_lines(testbed, "MQTTS connected", 2)
    steps.update(testbed, steps.new_offer(testbed)[1])
    assert testbed.board.boots == 2


def test_restart_during_a_download(make_testbed):
    testbed = make_testbed(config={"http_timeout_s": 3600, "retry_window_s": 3600})
    steps.online(testbed)
    image = _hold_download(testbed)
    testbed.broker.restart()
    testbed.operator.wait_until_connected()
    testbed.files.release()
    assert testbed.wait_report("UPDATE").data["version"] == "1.0.1"
    values = [m.data["progress"] for m in testbed.operator.messages if "progress" in m.data]
    assert values[0] == 0
    assert values[-1] == 100  # it has reconnected for its progress
    _check_updated(testbed, image)


def test_down_from_the_download_to_the_trial(make_testbed):
    """The update needs no broker; only its confirmation does."""
    testbed = make_testbed(config={"http_timeout_s": 1})
    steps.online(testbed)
    image = _hold_download(testbed)
    testbed.broker.kill()
    testbed.board.wait_for("boot: running slot ota_1")
    start = testbed.board.lines.index("boot: running slot ota_1")
    testbed.board.wait_for(str(errors.CONNECTION_FAILED), start=start)
    assert steps.lines_with(testbed, "confirmed") == 0
    testbed.broker.start()
    _check_updated(testbed, image)


def test_silent_during_a_download(make_testbed):
    """Publishes that nobody acknowledges delay the update a little, but never hold it up."""
    config = {"publish_timeout_s": 1, "mqtt_timeout_s": 1, "http_timeout_s": 1}
    testbed = make_testbed(config=config)
    steps.online(testbed)
    image = _hold_download(testbed, at=-10000)
    testbed.broker.freeze()
    testbed.board.wait_for("ota reboot")
    testbed.board.wait_for(str(errors.TIMEOUT), start=testbed.board.lines.index("boot: running slot ota_0"))
    testbed.broker.thaw()
    assert testbed.wait_report("UPDATE").data["version"] == "1.0.1"
    _check_updated(testbed, image)


@pytest.mark.code(errors.TIMEOUT)
def test_silent_when_idle(make_testbed):
    """No connection breaks; only the keepalive can tell."""
    testbed = make_testbed(config={"keepalive_s": 2, "mqtt_timeout_s": 2})
    steps.online(testbed)
    attempts = 1
    while "broker is silent" not in _freeze_until_noticed(testbed):
        attempts += 1  # it had caught the acknowledgement of a report, so the board was not idle
        assert attempts < 10
    steps.update(testbed, steps.new_offer(testbed)[1])
    assert testbed.board.boots == 2


def _freeze_until_noticed(testbed):
    """What the board says about it; then it is online again."""

    def subscriptions():
        return testbed.broker.log.read_text(errors="replace").count(f"{MAC} 1 wm_iot/{MAC}/ota/response")

    time.sleep(pace.slowness())  # for the acknowledgement of a report, of which nobody tells
    start, before = len(testbed.board.lines), subscriptions()
    testbed.broker.freeze()
    line = testbed.board.wait_for(str(errors.TIMEOUT), start=start)
    testbed.broker.thaw()
    steps.until(lambda: subscriptions() > before, "it comes back")
    return line


def test_keepalive_keeps_alive(make_testbed):
    """A broker that answers pings is not silent: no reconnect in three keepalives. One whose answer a busy
    machine delays is; but a board that heeds no answer would reconnect in each three of them."""
    keepalive_s = pace.seconds(2)  # the broker waits for one and a half of them, of its own time
    testbed = make_testbed(config={"keepalive_s": keepalive_s})
    steps.online(testbed)
    attempts = 1
    while _speaks_within(testbed, 3 * keepalive_s):
        attempts += 1
        assert attempts < 30  # a reconnect is a few lines
    steps.update(testbed, steps.new_offer(testbed)[1])


def _speaks_within(testbed, seconds):
    """Does the board log anything from now on?"""
    since = len(testbed.board.lines)
    try:
        testbed.board.wait_for("ota", seconds, since)
    except TimeoutError:
        return False
    return True
