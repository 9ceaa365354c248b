"""One update after another: the slots take turns, and every offer of the past is refused."""

from __future__ import annotations

import checks
import pytest
import steps

from device import errors
from tools.testbed.testbed import MAC


@pytest.mark.code(errors.SAME_VERSION, errors.DOWNGRADE)
def test_two_updates_then_the_past(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    first_image, first = steps.new_offer(testbed, "1.0.1")
    second_image, second = steps.new_offer(testbed, "1.0.2")
    steps.update(testbed, first)
    steps.update(testbed, second)
    steps.refuse(testbed, second, errors.SAME_VERSION)
    steps.refuse(testbed, first, errors.DOWNGRADE)
    assert testbed.board.boots == 3
    assert len(testbed.files.requests) == 2
    checks.check_erased_once(testbed, "ota_0", len(second_image))
    checks.check_erased_once(testbed, "ota_1", len(first_image))
    checks.check_record(testbed, "ota_0", second_image, "1.0.2")


def test_update_is_said_once(make_testbed):
    """After the report UPDATE every later report is INIT, of the new version."""
    testbed = make_testbed()
    steps.online(testbed)
    steps.update(testbed, steps.new_offer(testbed)[1])
    testbed.board.wait_for("confirmed 1.0.1")
    testbed.board.cut_power()
    testbed.board.power_on()
    steps.until(lambda: len(checks.reports(testbed)) == 3, "third report")
    assert checks.reports(testbed) == [("INIT", "1.0.0"), ("UPDATE", "1.0.1"), ("INIT", "1.0.1")]


def test_offer_after_each_init(make_testbed):
    """A server that offers right after INIT finds the board subscribed already."""
    testbed = make_testbed()
    testbed.operator.offer_after_init(MAC, steps.new_offer(testbed)[1])
    testbed.board.power_on()
    testbed.wait_report("UPDATE")


def test_offer_while_switched_off(make_testbed):
    """The broker keeps it for the board: the session outlives a power cut."""
    testbed = make_testbed()
    steps.online(testbed)
    testbed.board.cut_power()
    testbed.push(steps.new_offer(testbed)[1])
    testbed.board.power_on()
    assert testbed.wait_report("UPDATE").data["version"] == "1.0.1"
