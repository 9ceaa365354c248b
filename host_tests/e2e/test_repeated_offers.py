"""The same offer again: one that failed, one that waits, and hooks and records that fail halfway."""

from __future__ import annotations

import time

import checks
import pytest
import steps

from device import errors

RAISING_HOOKS = """
from device import agent, config

asked = 0


def may_start():
    global asked
    asked += 1
    if asked < 3:
        raise ValueError("question %d" % asked)
    return True


def before_reboot():
    raise OSError(28)


agent.Agent(config.load("ota.json"), may_start, before_reboot).run()
"""


@pytest.mark.code(errors.SHA256_ECDSA)
def test_an_image_that_failed_is_not_fetched_again(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.spoilt_offer(testbed)
    steps.refuse(testbed, offer, errors.SHA256_ECDSA)
    fetched = len(testbed.files.requests)
    for _ in range(3):
        steps.refuse(testbed, offer, errors.SHA256_ECDSA)
    assert fetched == 1 and len(testbed.files.requests) == 1
    (testbed.images / "firmware-1.0.1.img").write_bytes(image)
    again = testbed.offer(image, "1.0.1")  # signed anew: another offer
    steps.update(testbed, again)


def test_an_offer_that_waits_can_be_called_forward(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    _, offer = steps.new_offer(testbed)
    testbed.push(offer | {"upgrade_delay": int(time.time()) + 86400})
    testbed.board.wait_for("update waits until")
    testbed.push(offer | {"upgrade_delay": 0})
    testbed.wait_report("UPDATE", steps.PATIENCE_S)


def test_hooks_that_raise_do_not_stop_an_update(make_testbed, make_app):
    testbed = make_testbed(app=make_app(RAISING_HOOKS))
    steps.online(testbed)
    _, offer = steps.new_offer(testbed)
    steps.update(testbed, offer)
    assert steps.lines_with(testbed, "ValueError: question") == 2
    assert steps.lines_with(testbed, "OSError: 28") + steps.lines_with(testbed, "ENOSPC") >= 1
    assert checks.error_codes(testbed) == []
