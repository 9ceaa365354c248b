"""Offers without end from whoever has the broker's account, and offers that the owner takes back."""

from __future__ import annotations

import base64
import json
import time

import checks
import steps

from device import errors
from tools.server.files import Fault
from tools.testbed.stage import MAC

PATIENT = {"http_timeout_s": 3600, "retry_window_s": 3600}  # a download hangs until it is released
OFFERS = 1000
MOST_DOWNLOADS = 20  # at once, see device/tries.py
DAY_S = 86400


def _cancel(stage, signature: str) -> None:
    since = len(stage.operator.messages)
    payload = {"msg_sequence": 1, "time": int(time.time()), "data": {"cancel": signature}}
    stage.operator.publish(MAC, "update", json.dumps(payload).encode())
    steps.until(lambda: _is_cancelled(stage, since), "the board's word that the offer is cancelled")


def _is_cancelled(stage, since: int) -> bool:
    return any(message.data == {"state": "cancelled"} for message in stage.operator.messages[since:])


def test_a_board_says_that_it_knows_how_to_cancel(make_stage):
    stage = make_stage()
    steps.online(stage)
    assert stage.wait_report("INIT").envelope["knows"] == ["cancel"]


def test_an_offer_that_waits_is_taken_back_and_does_not_return(make_stage):
    stage = make_stage()
    steps.online(stage)
    _, offer = steps.new_offer(stage, upgrade_delay=int(time.time()) + DAY_S)
    stage.push(offer)
    stage.board.wait_for("update waits until")
    _cancel(stage, offer["sig-sha256-ecdsa"])
    stage.board.cut_power()
    steps.online(stage)
    assert not steps.lines_with(stage, "update waits until") > 1
    steps.update(stage, steps.new_offer(stage, "1.0.2")[1])
    assert {request.path for request in stage.files.requests} == {"/firmware-1.0.2.img"}
    assert checks.error_codes(stage) == []


def test_a_download_is_taken_back_and_another_one_taken(make_stage):
    stage = make_stage(config=PATIENT)
    steps.online(stage)
    stage.files.fail(Fault(stall_after=10000))
    stage.push(steps.new_offer(stage)[1])
    steps.wait_sent(stage)
    _cancel(stage, "*")
    stage.files.release()
    stage.board.wait_for("the update has ended for another offer, or a cancel")
    image, offer = steps.new_offer(stage, "1.0.2")
    steps.update(stage, offer)
    assert stage.board.slot("ota_1", len(image)) == image
    assert checks.error_codes(stage) == []


def test_a_thousand_offers_of_noise(make_stage):
    """Each with a signature of its own. No block is erased more often than there are downloads at once, the
    board does not restart, and what it runs stays."""
    stage = make_stage()
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    for number in range(OFFERS):
        noise = base64.b64encode(b"0\x06\x02\x01\x11\x02\x01\x11" + number.to_bytes(4, "big")).decode()
        stage.push(offer | {"sig-sha256-ecdsa": noise})
    last = offer | {"sig-sha256-ecdsa": "", "version": "0.0.1"}
    since = len(stage.operator.messages)
    stage.operator.publish(MAC, "update", json.dumps({"msg_sequence": 1, "time": 1, "data": last}).encode())
    stage.wait_error(errors.BAD_MESSAGE, since=since)
    assert max(stage.board.wear("ota_1")) <= MOST_DOWNLOADS
    assert max(stage.board.wear("vfs")) <= 2 * MOST_DOWNLOADS
    assert stage.board.boots == 1
    checks.check_old_runs(stage)
