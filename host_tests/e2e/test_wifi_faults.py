"""Wi-Fi that goes and comes back, when the board is idle and while it downloads."""

from __future__ import annotations

import time

import checks
import pace
import pytest
import steps

from device import errors
from tools.server.files import Fault
from tools.simboard.board import BLOCK

RUNTIMES = ["mp32", "cpython"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_off_when_idle(make_testbed, runtime):
    testbed = make_testbed(runtime=runtime)
    steps.online(testbed)
    testbed.board.wifi(False)
    testbed.board.wait_for(str(errors.NO_GOT_IP))
    testbed.board.wifi(True)
    steps.wait_lines(testbed, "sta got ip", 2)
    steps.wait_lines(testbed, "MQTTS connected", 2)
    steps.update(testbed, steps.new_offer(testbed)[1])
    assert testbed.board.boots == 2


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("off_s", [0.5, 2.5], ids=["short", "longer than wifi_timeout_s"])
def test_off_during_a_download(make_testbed, runtime, off_s):
    testbed = make_testbed(runtime=runtime, config={"http_timeout_s": pace.seconds(5), "wifi_timeout_s": 1})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(stall_after=3 * BLOCK + 100))
    testbed.push(offer)
    steps.wait_written(testbed, 3)
    testbed.board.wifi(False)
    time.sleep(off_s)
    testbed.board.wifi(True)
    testbed.wait_report("UPDATE")
    assert steps.lines_with(testbed, "sta got ip") >= 3  # old, old again, new
    assert [request.range for request in testbed.files.requests] == [None, f"bytes={3 * BLOCK}-"]
    checks.check_erased_once(testbed, "ota_1", len(image))
    assert testbed.board.slot("ota_1", len(image)) == image
    assert checks.error_codes(testbed) == []


def test_offer_while_the_air_is_off(make_testbed):
    """The broker still thinks the board is there, or keeps the offer: either way it arrives."""
    testbed = make_testbed()
    steps.online(testbed)
    testbed.board.wifi(False)
    testbed.board.wait_for(str(errors.NO_GOT_IP))
    testbed.push(steps.new_offer(testbed)[1])
    testbed.board.wifi(True)
    assert testbed.wait_report("UPDATE").data["version"] == "1.0.1"
