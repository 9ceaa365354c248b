"""One update after another: the slots take turns, and every offer of the past is refused."""

from __future__ import annotations

import checks
import pytest
import steps

from device import errors
from tools.testbed.stage import MAC


@pytest.mark.code(errors.SAME_VERSION, errors.DOWNGRADE)
def test_two_updates_then_the_past(make_stage):
    stage = make_stage()
    steps.online(stage)
    first_image, first = steps.new_offer(stage, "1.0.1")
    second_image, second = steps.new_offer(stage, "1.0.2")
    steps.update(stage, first)
    steps.update(stage, second)
    steps.refuse(stage, second, errors.SAME_VERSION)
    steps.refuse(stage, first, errors.DOWNGRADE)
    assert stage.board.boots == 3
    assert len(stage.files.requests) == 2
    checks.check_erased_once(stage, "ota_0", len(second_image))
    checks.check_erased_once(stage, "ota_1", len(first_image))
    checks.check_record(stage, "ota_0", second_image, "1.0.2")


def test_update_is_said_once(make_stage):
    """After the report UPDATE every later report is INIT, of the new version."""
    stage = make_stage()
    steps.online(stage)
    steps.update(stage, steps.new_offer(stage)[1])
    stage.board.wait_for("confirmed 1.0.1")
    stage.board.cut_power()
    stage.board.power_on()
    steps.until(lambda: len(checks.reports(stage)) == 3, "third report")
    assert checks.reports(stage) == [("INIT", "1.0.0"), ("UPDATE", "1.0.1"), ("INIT", "1.0.1")]


def test_offer_after_each_init(make_stage):
    """A server that offers right after INIT finds the board subscribed already."""
    stage = make_stage()
    stage.operator.offer_after_init(MAC, steps.new_offer(stage)[1])
    stage.board.power_on()
    stage.wait_report("UPDATE")


def test_offer_while_switched_off(make_stage):
    """The broker keeps it for the board: the session outlives a power cut."""
    stage = make_stage()
    steps.online(stage)
    stage.board.cut_power()
    stage.push(steps.new_offer(stage)[1])
    stage.board.power_on()
    assert stage.wait_report("UPDATE").data["version"] == "1.0.1"
