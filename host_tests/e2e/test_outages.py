"""Broker or Wi-Fi gone for a while, whatever the board is at: it recovers and ends updated."""

from __future__ import annotations

import time

import checks
import pytest
import steps
from outages import HELD_AT, WINDOW_S, check_story, check_updated

from device import errors
from tools.server.files import Fault
from tools.simboard.board import BLOCK

pytestmark = pytest.mark.sample(3)  # most of them wait for what runs out

STATES = ["connecting", "online", "downloading", "verifying", "first boot"]


class Outage:
    """with Outage(testbed, what): in there it is gone."""

    def __init__(self, testbed, what: str) -> None:
        self._testbed = testbed
        self._what = what

    def __enter__(self) -> None:
        if self._what == "Wi-Fi":
            self._testbed.board.wifi(False)
        else:
            self._testbed.broker.kill()

    def __exit__(self, *_: object) -> None:
        if self._what == "Wi-Fi":
            self._testbed.board.wifi(True)
        else:
            self._testbed.broker.start()


def _bring_to(testbed, state) -> tuple[bytes, dict]:
    """Return when the board is in this state: (image, offer), which it has got but in the first two."""
    image, offer = steps.new_offer(testbed)
    if state == "connecting":
        testbed.board.power_on()
        testbed.board.wait_for("starting")
        return image, offer
    steps.online(testbed)
    if state == "online":
        return image, offer
    if state == "downloading":
        testbed.files.fail(Fault(stall_after=HELD_AT))
    testbed.push(offer)
    if state == "downloading":
        steps.wait_written(testbed, HELD_AT // BLOCK)
    elif state == "verifying":
        testbed.board.wait_for("verifying")
    else:
        steps.wait_lines(testbed, "starting", 2)
    return image, offer


def _finish(testbed, state, image, offer) -> None:
    """After the outage: push what was not pushed yet, and wait for the end."""
    if state in ("connecting", "online"):
        testbed.operator.wait_until_connected()
        steps.wait_subscribed(testbed)  # else there is no session yet that would keep the offer
        testbed.push(offer)
    check_updated(testbed, image)


# Broker and Wi-Fi


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what", ["broker", "Wi-Fi"])
def test_short(slow_testbed, what, state):
    """Over before most of the code has noticed."""
    testbed = slow_testbed()
    image, offer = _bring_to(testbed, state)
    with Outage(testbed, what):
        time.sleep(0.1)
    _finish(testbed, state, image, offer)
    check_story(testbed, image, 2 if state == "downloading" else 1)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what, away_s", [("broker", 1), ("Wi-Fi", 3)], ids=["broker", "Wi-Fi"])
def test_seconds(slow_testbed, what, away_s, state):
    """Noticed and named on the console, but no reason to give up an update or an image."""
    testbed = slow_testbed()
    image, offer = _bring_to(testbed, state)
    start = len(testbed.board.lines)
    noticed = f"{errors.CONNECTION_FAILED} Connection failed"
    if what == "Wi-Fi":
        noticed = "Wi-Fi dropped" if state == "downloading" else f"{errors.NO_GOT_IP} No Wi-Fi"
    with Outage(testbed, what):
        testbed.board.wait_for(noticed, start=start)
        time.sleep(away_s)
    _finish(testbed, state, image, offer)
    check_story(testbed, image, 2 if state == "downloading" else 1)


@pytest.mark.code(errors.NO_GOT_IP)
def test_wifi_away_longer_than_the_window(slow_testbed):
    """The download is given up and the server told as soon as it can be; the offer may come again."""
    testbed = slow_testbed(retry_window_s=WINDOW_S, wifi_timeout_s=1)
    image, offer = _bring_to(testbed, "downloading")
    with Outage(testbed, "Wi-Fi"):
        testbed.board.wait_for("OTA progress:5-")
    testbed.wait_error(errors.NO_GOT_IP)
    steps.update(testbed, offer)
    check_updated(testbed, image)
    assert checks.error_codes(testbed) == [errors.NO_GOT_IP]
    assert testbed.board.boots == 2


@pytest.mark.parametrize(
    "what, code", [("broker", errors.CONNECTION_FAILED), ("Wi-Fi", errors.NO_GOT_IP)], ids=["broker", "Wi-Fi"]
)
def test_away_longer_than_a_trial(slow_testbed, what, code):
    """The old image cannot connect at once either, so not even the only attempt counts."""
    testbed = slow_testbed(trial_limit_s=2, trial_attempts=1, wifi_timeout_s=1, mqtt_timeout_s=1)
    image, _ = _bring_to(testbed, "first boot")
    with Outage(testbed, what):
        testbed.board.wait_for("trial of 1.0.1: not confirmed within")
        steps.wait_lines(testbed, "1.0.0 build at", 2)
        start = len(testbed.board.lines)
        testbed.board.wait_for(str(code), start=start)
    check_updated(testbed, image)
    assert steps.lines_with(testbed, "1.0.1 did not confirm") == 1
    assert steps.lines_with(testbed, str(errors.ROLLED_BACK)) == 0
    assert len(testbed.files.requests) == 1


def test_broker_away_from_the_download_on(slow_testbed):
    """For the update it is not needed, however long."""
    testbed = slow_testbed(retry_window_s=WINDOW_S, http_timeout_s=1)
    image, _ = _bring_to(testbed, "downloading")
    with Outage(testbed, "broker"):
        testbed.board.wait_for("1.0.1 build at")
        time.sleep(WINDOW_S)
    check_updated(testbed, image)
    check_story(testbed, image, 2)
