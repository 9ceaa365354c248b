"""A file server that does not get better: the update ends in time, with its code."""

from __future__ import annotations

import socket
import time

import checks
import pytest
import steps

from device import errors
from tools.server.files import Fault


@pytest.mark.code(errors.HTTP_STATUS)
@pytest.mark.parametrize("status", [401, 403, 404])
def test_permanent_status(make_testbed, status):
    testbed = make_testbed()
    steps.online(testbed)
    testbed.files.fail(Fault(status=status, times=None))
    image, offer = steps.new_offer(testbed)
    steps.refuse(testbed, offer, errors.HTTP_STATUS)
    assert len(testbed.files.requests) == 1
    checks.check_old_runs(testbed, image)


@pytest.mark.code(errors.HTTP_STATUS)
def test_busy_for_ever(make_testbed):
    testbed = make_testbed(config={"retry_window_s": 2})
    steps.online(testbed)
    testbed.files.fail(Fault(status=503, times=None))
    steps.refuse(testbed, steps.new_offer(testbed)[1], errors.HTTP_STATUS)
    assert len(testbed.files.requests) >= 3
    assert testbed.board.boots == 1


@pytest.mark.code(errors.TIMEOUT)
@pytest.mark.parametrize("sent", [0, 10000])
def test_stalls_for_ever(make_testbed, sent):
    """The window ends it although there are retries left."""
    testbed = make_testbed(config={"http_timeout_s": 1, "retry_window_s": 3})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(stall_after=sent))
    testbed.files.fail(Fault(stall_after=0, times=None))
    started = time.monotonic()
    steps.refuse(testbed, offer, errors.TIMEOUT)
    assert time.monotonic() - started >= testbed.configuration()["retry_window_s"]
    assert 2 <= len(testbed.files.requests) <= 5  # each takes http_timeout_s
    checks.check_old_runs(testbed, image)


@pytest.mark.code(errors.CONNECTION_FAILED)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_connection_refused(make_testbed, scheme):
    testbed = make_testbed(config={"retry_window_s": 2})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport=scheme)
    with socket.socket() as closed:  # bound, so that nobody else listens there
        closed.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{closed.getsockname()[1]}/firmware.img"
        steps.refuse(testbed, offer | {f"{scheme}_url": url}, errors.CONNECTION_FAILED)
    assert steps.lines_with(testbed, "download at byte 0") >= 3
    checks.check_old_runs(testbed, image)


@pytest.mark.code(errors.CONNECTION_FAILED)
def test_cut_for_ever(make_testbed):
    testbed = make_testbed(config={"retry_window_s": 2})
    steps.online(testbed)
    testbed.files.fail(Fault(cut_after=100, times=None))
    steps.refuse(testbed, steps.new_offer(testbed)[1], errors.CONNECTION_FAILED)
    assert len(testbed.files.requests) >= 3
    assert testbed.board.boots == 1


def test_next_offer_after_a_failure(make_testbed):
    """ "Already running" for ever after a failure is what the vendor's client does."""
    testbed = make_testbed()
    steps.online(testbed)
    testbed.files.fail(Fault(status=404))
    _, offer = steps.new_offer(testbed)
    steps.refuse(testbed, offer, errors.HTTP_STATUS)
    steps.update(testbed, offer)
    assert checks.error_codes(testbed) == [errors.HTTP_STATUS]
