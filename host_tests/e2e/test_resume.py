"""A download that breaks in one run goes on where the last whole block ended."""

from __future__ import annotations

import checks
import pytest
import steps

from tools.server.files import Fault
from tools.simboard.board import BLOCK

B = BLOCK
CUTS = [0, 1, B - 1, B, B + 1, 2 * B + 1000, 5 * B]


def _finish(stage, image, offer):
    steps.update(stage, offer)
    stage.board.cut_power()
    assert stage.board.slot("ota_1", len(image)) == image
    assert checks.error_codes(stage) == []
    return stage.files.requests


def _check_resumed(stage, image, offer, kept):
    """kept: bytes that reached the board before the break."""
    first, second = _finish(stage, image, offer)
    whole = kept // B * B
    assert first.range is None
    assert second.range == (f"bytes={whole}-" if whole else None)
    assert second.status == (206 if whole else 200)
    assert first.sent + second.sent - len(image) == kept - whole < B
    checks.check_erased_once(stage, "ota_1", len(image))
    checks.check_progress(checks.boots(stage)[0])


@pytest.mark.parametrize("transport", ["https", "http"])
@pytest.mark.parametrize("cut", CUTS)
def test_cut(make_stage, transport, cut):
    stage = make_stage()
    steps.online(stage)
    image, offer = steps.new_offer(stage, transport=transport)
    stage.files.fail(Fault(cut_after=cut))
    _check_resumed(stage, image, offer, cut)


def test_cut_at_the_last_byte(make_stage):
    stage = make_stage()
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    stage.files.fail(Fault(cut_after=len(image) - 1))
    _check_resumed(stage, image, offer, len(image) - 1)


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
@pytest.mark.parametrize("transport", ["https", "http"])
def test_reset(make_stage, transport, runtime):
    stage = make_stage(runtime=runtime)
    steps.online(stage)
    image, offer = steps.new_offer(stage, transport=transport)
    stage.files.fail(Fault(cut_after=3 * B + 5, reset=True))
    _check_resumed(stage, image, offer, 3 * B + 5)


@pytest.mark.parametrize("sent", [0, B // 2, 4 * B + 7])
def test_stall(make_stage, sent):
    stage = make_stage(config={"http_timeout_s": 1})
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    stage.files.fail(Fault(stall_after=sent))
    _check_resumed(stage, image, offer, sent)


def test_many_cuts(make_stage):
    """More breaks than retries: they are counted anew after each block that arrived."""
    stage = make_stage(config={"retry_window_s": 3})
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    for _ in range(4):
        stage.files.fail(Fault(cut_after=B + 10))
    requests = _finish(stage, image, offer)
    expected = [None, *(f"bytes={n * B}-" for n in (1, 2, 3, 4))]
    assert [request.range for request in requests] == expected
    checks.check_erased_once(stage, "ota_1", len(image))


def test_server_ignores_the_range(make_stage):
    """A 200 with everything must not be written into the middle of the image."""
    stage = make_stage()
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    stage.files.fail(Fault(cut_after=3 * B + 5))
    stage.files.fail(Fault(ignore_range=True))
    first, second = _finish(stage, image, offer)
    assert second.range == f"bytes={3 * B}-"
    assert (second.status, second.sent) == (200, len(image))
    assert first.sent == 3 * B + 5


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_server(make_stage, status):
    """At first, and when the download is to go on."""
    stage = make_stage()
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    for fault in (Fault(status=status), Fault(cut_after=2 * B), Fault(status=status)):
        stage.files.fail(fault)
    requests = _finish(stage, image, offer)
    assert [request.status for request in requests] == [status, 200, status, 206]
    checks.check_erased_once(stage, "ota_1", len(image))
