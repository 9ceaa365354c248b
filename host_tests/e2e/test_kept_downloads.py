"""What a board still knows of its download after a power cut."""

from __future__ import annotations

import checks
import pytest
import steps

from device import errors
from tools.programs import runtimes
from tools.server.files import Fault
from tools.simboard.board import BLOCK

pytestmark = pytest.mark.sample(4)


def _begin(testbed, image, offer, served) -> None:
    """Serve so many bytes of it, wait until the board has dealt with their blocks, and switch it off."""
    testbed.files.fail(Fault(stall_after=served))
    testbed.push(offer)
    steps.wait_written(testbed, served // BLOCK)
    testbed.board.cut_power()


def _check_updated(testbed, image) -> None:
    testbed.wait_report("UPDATE", steps.PATIENCE_S)
    checks.check_confirmed(testbed, image)


@pytest.mark.parametrize("transport", ["https", "http"])
@pytest.mark.parametrize("runtime", runtimes.END_TO_END)
def test_download_goes_on(make_testbed, runtime, transport):
    testbed = make_testbed(runtime=runtime, config={"checkpoint_kib": 8})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport=transport)
    _begin(testbed, image, offer, 5 * BLOCK + 100)
    testbed.board.power_on()
    _check_updated(testbed, image)
    first, head, rest = testbed.files.requests
    assert first.range is None
    assert (head.range, head.status, head.sent) == ("bytes=0-63", 206, 64)
    assert (rest.range, rest.status, rest.sent) == (f"bytes={4 * BLOCK}-", 206, len(image) - 4 * BLOCK)
    used = -(-len(image) // BLOCK)
    wear = testbed.board.wear("ota_1")
    assert wear == [1, 1, 1, 1, 2] + [1] * (used - 5) + [0] * (len(wear) - used)
    assert checks.error_codes(testbed) == []
    assert checks.reports(testbed) == [("INIT", "1.0.0"), ("INIT", "1.0.0"), ("UPDATE", "1.0.1")]


@pytest.mark.parametrize("kib", [4, 8])
@pytest.mark.parametrize("served", [0, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 6 * BLOCK + 1])
def test_goes_on_at_the_last_checkpoint(make_testbed, kib, served):
    testbed = make_testbed(config={"checkpoint_kib": kib})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    _begin(testbed, image, offer, served)
    testbed.board.power_on()
    _check_updated(testbed, image)
    kept = served // (kib * 1024) * kib * 1024
    expected = ["bytes=0-63", f"bytes={kept}-"] if kept else [None]
    assert [request.range for request in testbed.files.requests][-len(expected) :] == expected
    assert checks.error_codes(testbed) == []


def test_goes_on_with_another_image_of_the_same_name(make_testbed):
    """A checkpoint is bound to its offer: the next one starts at byte 0."""
    testbed = make_testbed(config={"checkpoint_kib": 4})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    _begin(testbed, image, offer, 5 * BLOCK)
    testbed.files.fail(Fault(status=404))
    since = len(testbed.operator.messages)
    testbed.board.power_on()
    testbed.wait_error(errors.HTTP_STATUS, steps.PATIENCE_S, since)
    steps.wait_subscribed(testbed)
    image, offer = steps.new_offer(testbed, "1.0.2")
    steps.update(testbed, offer)
    assert testbed.files.requests[-1].range is None
    assert testbed.board.slot("ota_1", len(image)) == image


@pytest.mark.parametrize("ignores_range", [False, True], ids=["new ETag", "no ranges"])
def test_file_changed_while_the_power_was_off(make_testbed, ignores_range):
    """If-Range makes the server send all of the new one, and nothing of the old one stays."""
    testbed = make_testbed(config={"checkpoint_kib": 4})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    path = testbed.images / "firmware-1.0.1.img"
    path.write_bytes(image[:300] + bytes(byte ^ 0x55 for byte in image[300:]))
    _begin(testbed, image, offer, 5 * BLOCK + 100)
    path.write_bytes(image)
    testbed.files.fail(Fault(ignore_range=ignores_range))
    testbed.board.power_on()
    _check_updated(testbed, image)
    again = testbed.files.requests[1]
    assert (again.range, again.status, again.sent) == ("bytes=0-63", 200, len(image))
    assert len(testbed.files.requests) == 2
    assert checks.error_codes(testbed) == []


@pytest.mark.code(errors.SHA256_ECDSA)
def test_file_changed_to_a_wrong_one(make_testbed):
    testbed = make_testbed(config={"checkpoint_kib": 4})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    _begin(testbed, image, offer, 5 * BLOCK + 100)
    steps.spoil(testbed, image)
    testbed.board.power_on()
    testbed.wait_error(errors.SHA256_ECDSA)
    assert testbed.board.slot("ota_1", 64) == b"\xff" * 64
