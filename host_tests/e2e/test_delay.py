"""Delayed upgrades: nothing is fetched before the time, and no reboot makes the board forget it."""

from __future__ import annotations

import time

import checks
import pace
import pytest
import steps


def _first_fetch(testbed) -> float:
    """Unix time at which the file server was first asked."""
    steps.until(lambda: testbed.files.requests, "first request")
    return time.time()


@pytest.mark.parametrize("factor", [1, 1000], ids=["s", "ms"])
def test_starts_at_its_time(make_testbed, factor):
    testbed = make_testbed()
    steps.online(testbed)
    start_at = int(time.time()) + pace.seconds(3)
    testbed.push(steps.new_offer(testbed, upgrade_delay=start_at * factor)[1])
    testbed.board.wait_for(f"update waits until {start_at}")
    assert _first_fetch(testbed) >= start_at
    testbed.wait_report("UPDATE")


def test_power_cut_while_waiting(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    start_at = int(time.time()) + pace.seconds(5)
    image, offer = steps.new_offer(testbed, upgrade_delay=start_at)
    _cut_while_waiting(testbed, offer)
    testbed.board.power_on()
    assert _first_fetch(testbed) >= start_at
    testbed.wait_report("UPDATE")
    testbed.board.wait_for("confirmed 1.0.1")
    assert testbed.board.slot("ota_1", len(image)) == image
    checks.check_record(testbed, "ota_1", image, "1.0.1")


def _cut_while_waiting(testbed, offer) -> None:
    """Push a delayed offer and cut the power once the board has noted it."""
    testbed.push(offer)
    testbed.board.wait_for("update waits until")
    testbed.push(offer)  # messages are taken one after the other, so after this line it is noted
    testbed.board.wait_for("offer of 1.0.1 is known")
    testbed.board.cut_power()
    waiting = testbed.board.state()["waiting"]
    assert waiting["sig-sha256-ecdsa"] == offer["sig-sha256-ecdsa"]
    assert not testbed.files.requests


def test_power_is_off_at_the_time(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    start_at = int(time.time()) + pace.seconds(3)
    _, offer = steps.new_offer(testbed, upgrade_delay=start_at)
    _cut_while_waiting(testbed, offer)
    time.sleep(max(0, start_at + 1 - time.time()))
    assert not testbed.files.requests
    testbed.board.power_on()
    testbed.wait_report("UPDATE")


@pytest.mark.parametrize("delay", [0, 1000, "past", "past_ms"])
def test_past_means_now(make_testbed, delay):
    past = int(time.time()) - 60
    testbed = make_testbed()
    steps.online(testbed)
    seconds = {"past": past, "past_ms": past * 1000}.get(delay, delay)
    steps.update(testbed, steps.new_offer(testbed, upgrade_delay=seconds)[1])
    assert steps.lines_with(testbed, "update waits") == 0


def test_same_offer_while_waiting(make_testbed):
    """It is neither a second update nor an error."""
    testbed = make_testbed()
    steps.online(testbed)
    _, offer = steps.new_offer(testbed, upgrade_delay=int(time.time()) + pace.seconds(3))
    testbed.push(offer)
    testbed.push(offer)
    testbed.board.wait_for("offer of 1.0.1 is known")
    testbed.wait_report("UPDATE")
    assert checks.error_codes(testbed) == []
    assert len(testbed.files.requests) == 1
