"""The file behind the URL changes between two requests: never may two images be mixed."""

from __future__ import annotations

import checks
import pytest
import steps

from device import errors
from tools.server.files import Fault
from tools.simboard.board import BLOCK


def _begin(testbed, now: bytes, later: bytes):
    """Serve `now` until the download hangs in its fourth block, from then on `later`."""
    image, offer = steps.new_offer(testbed)
    path = testbed.images / "firmware-1.0.1.img"
    path.write_bytes(now or image)
    testbed.files.fail(Fault(stall_after=3 * BLOCK + 9))
    testbed.push(offer)
    steps.wait_sent(testbed)
    path.write_bytes(later or image)
    return image


@pytest.fixture
def testbed(make_testbed):
    testbed = make_testbed(config={"http_timeout_s": 1})
    steps.online(testbed)
    return testbed


def _other(testbed) -> bytes:
    """Another image of the length of the real one: all but its head differs in each block."""
    image = bytearray(testbed.build("1.0.1"))
    image[300:] = bytes(byte ^ 0x55 for byte in image[300:])
    return bytes(image)


def test_becomes_the_right_one(testbed):
    image = _begin(testbed, _other(testbed), b"")
    testbed.wait_report("UPDATE")
    assert testbed.board.slot("ota_1", len(image)) == image
    second = testbed.files.requests[1]
    assert (second.range, second.status) == (f"bytes={3 * BLOCK}-", 200)


@pytest.mark.code(errors.SHA256_ECDSA)
def test_becomes_another_one(testbed):
    _begin(testbed, b"", _other(testbed))
    testbed.wait_error(errors.SHA256_ECDSA)
    checks.check_old_runs(testbed)


@pytest.mark.code(errors.SIZE_MISMATCH)
@pytest.mark.parametrize("length", [2 * BLOCK, 3 * BLOCK, 20 * BLOCK])
def test_changes_its_size(testbed, length):
    """Shorter than what is there, just as long, or longer than announced."""
    _begin(testbed, b"", bytes(length))
    testbed.wait_error(errors.SIZE_MISMATCH)
    checks.check_old_runs(testbed)
