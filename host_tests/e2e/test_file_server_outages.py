"""The file server gone for a while, or stalled: the download goes on where it was, the board ends updated."""

from __future__ import annotations

import contextlib
import time

import checks
import pytest
import steps
from outages import HELD_AT, WINDOW_S, check_story, check_updated

from device import errors
from tools.server.files import Fault, FileServer
from tools.simboard.board import BLOCK

pytestmark = pytest.mark.sample(3)  # most of them wait for what runs out


class Host:
    """A file server beside the testbed's own, which can go and come back at its address."""

    def __init__(self, testbed, stack: contextlib.ExitStack) -> None:
        self._testbed = testbed
        self._stack = stack
        self._ports: dict[str, int] = {}
        self.requests: list = []  # of all its lives

    def start(self, *faults: Fault) -> None:
        self._server = FileServer(self._testbed.images, self._testbed.keys, **self._ports)
        self._running = self._stack.enter_context(contextlib.ExitStack())
        self._running.enter_context(self._server)
        self._ports = {"https_port": self._server.https_port, "http_port": self._server.http_port}
        self._server.requests = self.requests
        for fault in faults:
            self._server.fail(fault)

    def stop(self) -> None:
        self._running.close()

    def offer(self) -> tuple[bytes, dict]:
        """Of an image that lies here."""
        image, offer = steps.new_offer(self._testbed)
        return image, offer | {"https_url": self._server.https_url("firmware-1.0.1.img")}


@pytest.fixture
def make_host():
    """make_host(testbed) -> a Host that is up."""
    with contextlib.ExitStack() as stack:

        def make(testbed, *faults):
            host = Host(testbed, stack)
            host.start(*faults)
            return host

        yield make


@pytest.mark.parametrize("away_s", [0.1, 2], ids=["short", "2 s"])
def test_file_server_stopped_before_the_offer(slow_testbed, make_host, away_s):
    testbed = slow_testbed()
    steps.online(testbed)
    host = make_host(testbed)
    image, offer = host.offer()
    host.stop()
    testbed.push(offer)
    testbed.board.wait_for("OTA progress:1-0%")
    time.sleep(away_s)
    host.start()
    check_updated(testbed, image)
    assert testbed.board.boots == 2
    assert checks.error_codes(testbed) == []
    assert [request.range for request in host.requests] == [None]


@pytest.mark.parametrize("away_s", [0.1, 2], ids=["short", "2 s"])
def test_file_server_restarted_in_the_download(slow_testbed, make_host, away_s):
    testbed = slow_testbed(http_timeout_s=3600)
    steps.online(testbed)
    host = make_host(testbed, Fault(stall_after=HELD_AT))
    image, offer = host.offer()
    testbed.push(offer)
    steps.wait_written(testbed, HELD_AT // BLOCK)
    host.stop()
    time.sleep(away_s)
    host.start()
    check_updated(testbed, image)
    assert testbed.board.boots == 2
    assert checks.error_codes(testbed) == []
    assert [request.range for request in host.requests] == [None, f"bytes={5 * BLOCK}-"]
    checks.check_erased_once(testbed, "ota_1", len(image))


@pytest.mark.parametrize("state", ["verifying", "first boot"])
def test_file_server_stopped_after_the_download(slow_testbed, make_host, state):
    """Nobody needs it any more."""
    testbed = slow_testbed()
    steps.online(testbed)
    host = make_host(testbed)
    image, offer = host.offer()
    testbed.push(offer)
    steps.wait_lines(testbed, *(("verifying", 1) if state == "verifying" else ("starting", 2)))
    host.stop()
    check_updated(testbed, image)
    assert len(host.requests) == 1
    assert checks.error_codes(testbed) == []


def test_file_server_away_when_the_power_comes_back(slow_testbed, make_host):
    """The download goes on where it was, once there is somebody to ask."""
    testbed = slow_testbed(checkpoint_kib=4)
    steps.online(testbed)
    host = make_host(testbed, Fault(stall_after=HELD_AT))
    image, offer = host.offer()
    testbed.push(offer)
    steps.wait_written(testbed, 5)
    testbed.board.cut_power()
    host.stop()
    testbed.board.power_on()
    steps.wait_lines(testbed, f"download at byte {5 * BLOCK}: ", 2)
    host.start()
    check_updated(testbed, image)
    assert [request.range for request in host.requests] == [None, "bytes=0-63", f"bytes={5 * BLOCK}-"]
    assert checks.error_codes(testbed) == []


@pytest.mark.code(errors.CONNECTION_FAILED, errors.TIMEOUT)
@pytest.mark.parametrize("how, code", [("stopped", errors.CONNECTION_FAILED), ("stalls", errors.TIMEOUT)])
def test_file_server_away_longer_than_the_window(slow_testbed, make_host, how, code):
    """Reported; and when the offer comes again, the download goes on where it was."""
    testbed = slow_testbed(retry_window_s=WINDOW_S, http_timeout_s=1, checkpoint_kib=4)
    steps.online(testbed)
    host = make_host(testbed, Fault(stall_after=HELD_AT), Fault(stall_after=0, times=None))
    image, offer = host.offer()
    testbed.push(offer)
    steps.wait_written(testbed, HELD_AT // BLOCK)
    if how == "stopped":
        host.stop()
    testbed.wait_error(code, steps.PATIENCE_S)
    if how == "stalls":
        host.stop()
    host.start()
    steps.update(testbed, offer)
    check_updated(testbed, image)
    assert checks.error_codes(testbed) == [code]
    assert [request.range for request in host.requests][-2:] == ["bytes=0-63", f"bytes={5 * BLOCK}-"]


@pytest.mark.parametrize("times", [1, 3])
def test_file_server_stalls(slow_testbed, times):
    """Again and again, each time after a block or two."""
    testbed = slow_testbed(http_timeout_s=1)
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(stall_after=BLOCK + 50, times=times))
    steps.online(testbed)
    testbed.push(offer)
    check_updated(testbed, image)
    check_story(testbed, image, 1 + times)
