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
def test_off_when_idle(make_stage, runtime):
    stage = make_stage(runtime=runtime)
    steps.online(stage)
    stage.board.wifi(False)
    stage.board.wait_for(str(errors.NO_GOT_IP))
    stage.board.wifi(True)
    steps.wait_lines(stage, "sta got ip", 2)
    steps.wait_lines(stage, "MQTTS connected", 2)
    steps.update(stage, steps.new_offer(stage)[1])
    assert stage.board.boots == 2


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("off_s", [0.5, 2.5], ids=["short", "longer than wifi_timeout_s"])
def test_off_during_a_download(make_stage, runtime, off_s):
    stage = make_stage(runtime=runtime, config={"http_timeout_s": pace.seconds(5), "wifi_timeout_s": 1})
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    stage.files.fail(Fault(stall_after=3 * BLOCK + 100))
    stage.push(offer)
    steps.wait_written(stage, 3)
    stage.board.wifi(False)
    time.sleep(off_s)
    stage.board.wifi(True)
    stage.wait_report("UPDATE")
    assert steps.lines_with(stage, "sta got ip") >= 3  # old, old again, new
    assert [request.range for request in stage.files.requests] == [None, f"bytes={3 * BLOCK}-"]
    checks.check_erased_once(stage, "ota_1", len(image))
    assert stage.board.slot("ota_1", len(image)) == image
    assert checks.error_codes(stage) == []


def test_offer_while_the_air_is_off(make_stage):
    """The broker still thinks the board is there, or keeps the offer: either way it arrives."""
    stage = make_stage()
    steps.online(stage)
    stage.board.wifi(False)
    stage.board.wait_for(str(errors.NO_GOT_IP))
    stage.push(steps.new_offer(stage)[1])
    stage.board.wifi(True)
    assert stage.wait_report("UPDATE").data["version"] == "1.0.1"
