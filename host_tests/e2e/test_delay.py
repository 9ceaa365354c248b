"""Delayed upgrades: nothing is fetched before the time, and no reboot makes the board forget it."""

from __future__ import annotations

import time

import checks
import pace
import pytest
import steps


def _first_fetch(stage) -> float:
    """Unix time at which the file server was first asked."""
    steps.until(lambda: stage.files.requests, "first request")
    return time.time()


@pytest.mark.parametrize("factor", [1, 1000], ids=["s", "ms"])
def test_starts_at_its_time(make_stage, factor):
    stage = make_stage()
    steps.online(stage)
    start_at = int(time.time()) + pace.seconds(3)
    stage.push(steps.new_offer(stage, upgrade_delay=start_at * factor)[1])
    stage.board.wait_for(f"update waits until {start_at}")
    assert _first_fetch(stage) >= start_at
    stage.wait_report("UPDATE")


def test_power_cut_while_waiting(make_stage):
    stage = make_stage()
    steps.online(stage)
    start_at = int(time.time()) + pace.seconds(5)
    image, offer = steps.new_offer(stage, upgrade_delay=start_at)
    _cut_while_waiting(stage, offer)
    stage.board.power_on()
    assert _first_fetch(stage) >= start_at
    stage.wait_report("UPDATE")
    stage.board.wait_for("confirmed 1.0.1")
    assert stage.board.slot("ota_1", len(image)) == image
    checks.check_record(stage, "ota_1", image, "1.0.1")


def _cut_while_waiting(stage, offer) -> None:
    """Push a delayed offer and cut the power once the board has noted it."""
    stage.push(offer)
    stage.board.wait_for("update waits until")
    stage.push(offer)  # messages are taken one after the other, so after this line it is noted
    stage.board.wait_for("offer of 1.0.1 is known")
    stage.board.cut_power()
    waiting = stage.board.state()["waiting"]
    assert waiting["sig-sha256-ecdsa"] == offer["sig-sha256-ecdsa"]
    assert not stage.files.requests


def test_power_is_off_at_the_time(make_stage):
    stage = make_stage()
    steps.online(stage)
    start_at = int(time.time()) + pace.seconds(3)
    _, offer = steps.new_offer(stage, upgrade_delay=start_at)
    _cut_while_waiting(stage, offer)
    time.sleep(max(0, start_at + 1 - time.time()))
    assert not stage.files.requests
    stage.board.power_on()
    stage.wait_report("UPDATE")


@pytest.mark.parametrize("delay", [0, 1000, "past", "past_ms"])
def test_past_means_now(make_stage, delay):
    past = int(time.time()) - 60
    stage = make_stage()
    steps.online(stage)
    seconds = {"past": past, "past_ms": past * 1000}.get(delay, delay)
    steps.update(stage, steps.new_offer(stage, upgrade_delay=seconds)[1])
    assert steps.lines_with(stage, "update waits") == 0


def test_same_offer_while_waiting(make_stage):
    """It is neither a second update nor an error."""
    stage = make_stage()
    steps.online(stage)
    _, offer = steps.new_offer(stage, upgrade_delay=int(time.time()) + pace.seconds(3))
    stage.push(offer)
    stage.push(offer)
    stage.board.wait_for("offer of 1.0.1 is known")
    stage.wait_report("UPDATE")
    assert checks.error_codes(stage) == []
    assert len(stage.files.requests) == 1
