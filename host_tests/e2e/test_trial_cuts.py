"""Trials that end for reasons the new image is not to blame for: power cuts and a dead network."""

from __future__ import annotations

import checks
import steps

from device import errors
from tools.server.files import Fault

FIRST_BOOT_WAITS = """
import os
import time
try:
    os.stat("tried")
except OSError:
    open("tried", "w").close()
    print("first boot waits for the cut")
    time.sleep(60)
from device import agent
agent.main("ota.json")
"""


def test_power_cut_in_the_first_boot(make_testbed, make_app):
    testbed = make_testbed()
    steps.online(testbed)
    image = testbed.build("1.0.1", make_app(FIRST_BOOT_WAITS))
    testbed.push(testbed.offer(image, "1.0.1"))
    testbed.board.wait_for("first boot waits for the cut")
    testbed.board.cut_power()
    assert testbed.board.state()["trial"]["attempts"] == 0
    testbed.board.power_on()
    testbed.wait_report("UPDATE")
    testbed.board.wait_for("confirmed 1.0.1")
    assert steps.lines_with(testbed, "boot: running slot ota_1") == 2
    assert len(testbed.files.requests) == 1  # what is in the slot is not fetched again
    assert checks.error_codes(testbed) == []
    checks.check_record(testbed, "ota_1", image, "1.0.1")


def test_power_cut_during_the_download(make_testbed):
    """No reason to fail either: the board takes up the offer by itself, or when it comes again."""
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(stall_after=20000))
    testbed.push(offer)
    steps.wait_sent(testbed)
    testbed.board.cut_power()
    testbed.board.power_on()
    steps.until(lambda: len(checks.reports(testbed)) == 2, "second INIT")
    testbed.push(offer)
    testbed.wait_report("UPDATE")
    testbed.board.wait_for("confirmed 1.0.1")
    assert testbed.board.slot("ota_1", len(image)) == image


def test_broker_down_in_the_trial(make_testbed):
    """The old image cannot reach it either, so nothing counts against the new one."""
    short = {"trial_attempts": 2, "trial_limit_s": 2, "mqtt_timeout_s": 1, "http_timeout_s": 1}
    testbed = make_testbed(config=short)
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(stall_after=20000))
    testbed.push(offer)
    steps.wait_sent(testbed)
    testbed.broker.kill()
    testbed.board.wait_for("trial of 1.0.1: not confirmed within")
    start = 0
    for _ in range(3):
        steps.until(lambda start=start: _old_is_offline(testbed, start), "old image without broker")
        testbed.board.cut_power()
        assert testbed.board.state()["trial"]["attempts"] == 0
        start = len(testbed.board.lines)
        testbed.board.power_on()
    testbed.broker.start()
    testbed.board.wait_for("confirmed 1.0.1")
    checks.check_record(testbed, "ota_1", image, "1.0.1")


def _old_is_offline(testbed, start) -> bool:
    """Was ota_0 the last to boot since that line, and has it failed to connect?"""
    lines = list(testbed.board.lines)[start:]
    boots = [number for number, line in enumerate(lines) if "boot: running slot" in line]
    last = lines[boots[-1] :] if boots else [""]
    return last[0].endswith("ota_0") and any(str(errors.CONNECTION_FAILED) in line for line in last)
