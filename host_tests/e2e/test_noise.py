"""Offers without end from the owner of the broker's account, and offers that the owner takes back."""

from __future__ import annotations

import base64
import json
import time

import checks
import steps

from device import errors
from tools.server.files import Fault
from tools.testbed.testbed import MAC

PATIENT = {"http_timeout_s": 3600, "retry_window_s": 3600}  # a download hangs until it is released
OFFERS = 1000
MAX_DOWNLOADS = 20  # at once, see device/tries.py
DAY_S = 86400


def _cancel(testbed, signature: str) -> None:
    since = len(testbed.operator.messages)
    payload = {"msg_sequence": 1, "time": int(time.time()), "data": {"cancel": signature}}
    testbed.operator.publish(MAC, "update", json.dumps(payload).encode())
    steps.until(lambda: _is_cancelled(testbed, since), "the board's word that the offer is cancelled")


def _is_cancelled(testbed, since: int) -> bool:
    return any(message.data == {"state": "cancelled"} for message in testbed.operator.messages[since:])


def test_a_board_says_that_it_knows_how_to_cancel(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    assert testbed.wait_report("INIT").envelope["knows"] == ["cancel"]


def test_an_offer_that_waits_is_taken_back_and_does_not_return(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    _, offer = steps.new_offer(testbed, upgrade_delay=int(time.time()) + DAY_S)
    testbed.push(offer)
    testbed.board.wait_for("update waits until")
    _cancel(testbed, offer["sig-sha256-ecdsa"])
    testbed.board.cut_power()
    steps.online(testbed)
    assert not steps.lines_with(testbed, "update waits until") > 1
    steps.update(testbed, steps.new_offer(testbed, "1.0.2")[1])
    assert {request.path for request in testbed.files.requests} == {"/firmware-1.0.2.img"}
    assert checks.error_codes(testbed) == []


def test_a_download_is_taken_back_and_another_one_taken(make_testbed):
    testbed = make_testbed(config=PATIENT)
    steps.online(testbed)
    testbed.files.fail(Fault(stall_after=10000))
    testbed.push(steps.new_offer(testbed)[1])
    steps.wait_sent(testbed)
    _cancel(testbed, "*")
    testbed.files.release()
    testbed.board.wait_for("the update has ended for another offer, or a cancel")
    image, offer = steps.new_offer(testbed, "1.0.2")
    steps.update(testbed, offer)
    assert testbed.board.slot("ota_1", len(image)) == image
    assert checks.error_codes(testbed) == []


def test_a_thousand_offers_of_noise(make_testbed):
    """Each with a signature of its own. No block is erased more often than there are downloads at once, the
    board does not restart, and what it runs stays."""
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    for number in range(OFFERS):
        noise = base64.b64encode(b"0\x06\x02\x01\x11\x02\x01\x11" + number.to_bytes(4, "big")).decode()
        testbed.push(offer | {"sig-sha256-ecdsa": noise})
    last = offer | {"sig-sha256-ecdsa": "", "version": "0.0.1"}
    since = len(testbed.operator.messages)
    testbed.operator.publish(MAC, "update", json.dumps({"msg_sequence": 1, "time": 1, "data": last}).encode())
    testbed.wait_error(errors.BAD_MESSAGE, since=since)
    assert max(testbed.board.wear("ota_1")) <= MAX_DOWNLOADS
    assert max(testbed.board.wear("vfs")) <= 2 * MAX_DOWNLOADS
    assert testbed.board.boots == 1
    checks.check_old_runs(testbed)
