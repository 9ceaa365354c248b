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
from tools.testbed.stage import MAC

HELD_AT = 12000  # bytes after which the download hangs for http_timeout_s


def _hold_download(stage, at=HELD_AT):
    """Begin an update and return while its download hangs."""
    image, offer = steps.new_offer(stage)
    at = at if at > 0 else len(image) + at
    stage.files.fail(Fault(stall_after=at))
    stage.push(offer)
    steps.wait_written(stage, at // BLOCK)
    return image


def _check_updated(stage, image):
    stage.board.wait_for("confirmed 1.0.1")
    assert stage.board.boots == 2
    assert len(stage.files.requests) == 2
    checks.check_erased_once(stage, "ota_1", len(image))
    checks.check_record(stage, "ota_1", image, "1.0.1")


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_restart_when_idle(make_stage, how):
    """The board comes back by itself, with its session, and takes an offer."""
    stage = make_stage()
    steps.online(stage)
    if how == "kill":
        stage.broker.kill()
        stage.board.wait_for(str(errors.CONNECTION_FAILED))
        stage.broker.start()
    else:
        stage.broker.restart()
    stage.operator.wait_until_connected()
    steps.wait_lines(stage, "MQTTS connected", 2)
    steps.update(stage, steps.new_offer(stage)[1])
    assert stage.board.boots == 2


def test_restart_during_a_download(make_stage):
    stage = make_stage(config={"http_timeout_s": 3600, "retry_window_s": 3600})
    steps.online(stage)
    image = _hold_download(stage)
    stage.broker.restart()
    stage.operator.wait_until_connected()
    stage.files.release()
    assert stage.wait_report("UPDATE").data["version"] == "1.0.1"
    values = [m.data["progress"] for m in stage.operator.messages if "progress" in m.data]
    assert values[0] == 0
    assert values[-1] == 100  # it has reconnected for its progress
    _check_updated(stage, image)


def test_down_from_the_download_to_the_trial(make_stage):
    """The update needs no broker; only its confirmation does."""
    stage = make_stage(config={"http_timeout_s": 1})
    steps.online(stage)
    image = _hold_download(stage)
    stage.broker.kill()
    stage.board.wait_for("boot: running slot ota_1")
    start = stage.board.lines.index("boot: running slot ota_1")
    stage.board.wait_for(str(errors.CONNECTION_FAILED), start=start)
    assert steps.lines_with(stage, "confirmed") == 0
    stage.broker.start()
    _check_updated(stage, image)


def test_silent_during_a_download(make_stage):
    """Publishes that nobody acknowledges delay the update a little, but never hold it up."""
    config = {"publish_timeout_s": 1, "mqtt_timeout_s": 1, "http_timeout_s": 1}
    stage = make_stage(config=config)
    steps.online(stage)
    image = _hold_download(stage, at=-10000)
    stage.broker.freeze()
    stage.board.wait_for("ota reboot")
    stage.board.wait_for(str(errors.TIMEOUT), start=stage.board.lines.index("boot: running slot ota_0"))
    stage.broker.thaw()
    assert stage.wait_report("UPDATE").data["version"] == "1.0.1"
    _check_updated(stage, image)


@pytest.mark.code(errors.TIMEOUT)
def test_silent_when_idle(make_stage):
    """No connection breaks; only the keepalive can tell."""
    stage = make_stage(config={"keepalive_s": 2, "mqtt_timeout_s": 2})
    steps.online(stage)
    attempts = 1
    while "broker is silent" not in _freeze_until_noticed(stage):
        attempts += 1  # it had caught the acknowledgement of a report, so the board was not idle
        assert attempts < 10
    steps.update(stage, steps.new_offer(stage)[1])
    assert stage.board.boots == 2


def _freeze_until_noticed(stage):
    """What the board says about it; then it is online again."""

    def subscriptions():
        return stage.broker.log.read_text(errors="replace").count(f"{MAC} 1 wm_iot/{MAC}/ota/response")

    time.sleep(pace.slowness())  # for the acknowledgement of a report, of which nobody tells
    start, before = len(stage.board.lines), subscriptions()
    stage.broker.freeze()
    line = stage.board.wait_for(str(errors.TIMEOUT), start=start)
    stage.broker.thaw()
    steps.until(lambda: subscriptions() > before, "it comes back")
    return line


def test_keepalive_keeps_alive(make_stage):
    """A broker that answers pings is not silent: no reconnect in three keepalives. One whose answer a busy
    machine delays is; but a board that heeds no answer would reconnect in each three of them."""
    keepalive_s = pace.seconds(2)  # the broker waits for one and a half of them, of its own time
    stage = make_stage(config={"keepalive_s": keepalive_s})
    steps.online(stage)
    attempts = 1
    while _speaks_within(stage, 3 * keepalive_s):
        attempts += 1
        assert attempts < 30  # a reconnect is a few lines
    steps.update(stage, steps.new_offer(stage)[1])


def _speaks_within(stage, seconds):
    """Does the board log anything from now on?"""
    since = len(stage.board.lines)
    try:
        stage.board.wait_for("ota", seconds, since)
    except TimeoutError:
        return False
    return True
