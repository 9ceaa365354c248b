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
def test_an_image_that_failed_is_not_fetched_again(make_stage):
    stage = make_stage()
    steps.online(stage)
    image, offer = steps.spoilt_offer(stage)
    steps.refuse(stage, offer, errors.SHA256_ECDSA)
    fetched = len(stage.files.requests)
    for _ in range(3):
        steps.refuse(stage, offer, errors.SHA256_ECDSA)
    assert fetched == 1 and len(stage.files.requests) == 1
    (stage.images / "firmware-1.0.1.img").write_bytes(image)
    again = stage.offer(image, "1.0.1")  # signed anew: another offer
    steps.update(stage, again)


def test_an_offer_that_waits_can_be_called_forward(make_stage):
    stage = make_stage()
    steps.online(stage)
    _, offer = steps.new_offer(stage)
    stage.push(offer | {"upgrade_delay": int(time.time()) + 86400})
    stage.board.wait_for("update waits until")
    stage.push(offer | {"upgrade_delay": 0})
    stage.wait_report("UPDATE", steps.PATIENCE_S)


def test_hooks_that_raise_do_not_stop_an_update(make_stage, make_app):
    stage = make_stage(app=make_app(RAISING_HOOKS))
    steps.online(stage)
    _, offer = steps.new_offer(stage)
    steps.update(stage, offer)
    assert steps.lines_with(stage, "ValueError: question") == 2
    assert steps.lines_with(stage, "OSError: 28") + steps.lines_with(stage, "ENOSPC") >= 1
    assert checks.error_codes(stage) == []
