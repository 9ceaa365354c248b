"""A download that breaks in one run goes on where the last whole block ended."""

from __future__ import annotations

import checks
import pytest
import steps

from tools.server.files import Fault
from tools.simboard.board import BLOCK

B = BLOCK
CUTS = [0, 1, B - 1, B, B + 1, 2 * B + 1000, 5 * B]


def _finish(testbed, image, offer):
    steps.update(testbed, offer)
    testbed.board.cut_power()
    assert testbed.board.slot("ota_1", len(image)) == image
    assert checks.error_codes(testbed) == []
    return testbed.files.requests


def _check_resumed(testbed, image, offer, kept):
    """kept: bytes that reached the board before the break."""
    first, second = _finish(testbed, image, offer)
    whole = kept // B * B
    assert first.range is None
    assert second.range == (f"bytes={whole}-" if whole else None)
    assert second.status == (206 if whole else 200)
    assert first.sent + second.sent - len(image) == kept - whole < B
    checks.check_erased_once(testbed, "ota_1", len(image))
    checks.check_progress(checks.boots(testbed)[0])


@pytest.mark.parametrize("transport", ["https", "http"])
@pytest.mark.parametrize("cut", CUTS)
def test_cut(make_testbed, transport, cut):
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport=transport)
    testbed.files.fail(Fault(cut_after=cut))
    _check_resumed(testbed, image, offer, cut)


def test_cut_at_the_last_byte(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(cut_after=len(image) - 1))
    _check_resumed(testbed, image, offer, len(image) - 1)


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
@pytest.mark.parametrize("transport", ["https", "http"])
def test_reset(make_testbed, transport, runtime):
    testbed = make_testbed(runtime=runtime)
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport=transport)
    testbed.files.fail(Fault(cut_after=3 * B + 5, reset=True))
    _check_resumed(testbed, image, offer, 3 * B + 5)


@pytest.mark.parametrize("sent", [0, B // 2, 4 * B + 7])
def test_stall(make_testbed, sent):
    testbed = make_testbed(config={"http_timeout_s": 1})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(stall_after=sent))
    _check_resumed(testbed, image, offer, sent)


def test_many_cuts(make_testbed):
    """More breaks than retries: they are counted anew after each block that arrived."""
    testbed = make_testbed(config={"retry_window_s": 3})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    for _ in range(4):
        testbed.files.fail(Fault(cut_after=B + 10))
    requests = _finish(testbed, image, offer)
    expected = [None, *(f"bytes={n * B}-" for n in (1, 2, 3, 4))]
    assert [request.range for request in requests] == expected
    checks.check_erased_once(testbed, "ota_1", len(image))


def test_server_ignores_the_range(make_testbed):
    """A 200 with everything must not be written into the middle of the image."""
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(cut_after=3 * B + 5))
    testbed.files.fail(Fault(ignore_range=True))
    first, second = _finish(testbed, image, offer)
    assert second.range == f"bytes={3 * B}-"
    assert (second.status, second.sent) == (200, len(image))
    assert first.sent == 3 * B + 5


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_server(make_testbed, status):
    """At first, and when the download is to go on."""
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    for fault in (Fault(status=status), Fault(cut_after=2 * B), Fault(status=status)):
        testbed.files.fail(fault)
    requests = _finish(testbed, image, offer)
    assert [request.status for request in requests] == [status, 200, status, 206]
    checks.check_erased_once(testbed, "ota_1", len(image))
