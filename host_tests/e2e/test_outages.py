"""Broker, file server or Wi-Fi gone for a while, whatever the board is at: it recovers and ends updated."""

from __future__ import annotations

import contextlib
import time

import apps
import checks
import pace
import pytest
import steps

from device import errors
from tools.server.files import Fault, FileServer
from tools.simboard.board import BLOCK

pytestmark = pytest.mark.sample(3)  # most of them wait for what runs out

HELD_AT = 5 * BLOCK + 100
WINDOW_S = 3  # retry_window_s where it is to be over

STATES = ["connecting", "online", "downloading", "verifying", "first boot"]


class Outage:
    """with Outage(testbed, what): in there it is gone."""

    def __init__(self, testbed, what: str) -> None:
        self._testbed = testbed
        self._what = what

    def __enter__(self) -> None:
        if self._what == "Wi-Fi":
            self._testbed.board.wifi(False)
        else:
            self._testbed.broker.kill()

    def __exit__(self, *_: object) -> None:
        if self._what == "Wi-Fi":
            self._testbed.board.wifi(True)
        else:
            self._testbed.broker.start()


@pytest.fixture
def slow_testbed(make_testbed, make_app):
    """slow_testbed(**config) -> a Testbed whose board runs apps.slow()."""
    held = {"http_timeout_s": pace.seconds(2)}  # so long a download hangs
    return lambda **config: make_testbed(app=make_app(apps.slow()), config=held | config)


def _bring_to(testbed, state) -> tuple[bytes, dict]:
    """Return when the board is in this state: (image, offer), which it has got but in the first two."""
    image, offer = steps.new_offer(testbed)
    if state == "connecting":
        testbed.board.power_on()
        testbed.board.wait_for("starting")
        return image, offer
    steps.online(testbed)
    if state == "online":
        return image, offer
    if state == "downloading":
        testbed.files.fail(Fault(stall_after=HELD_AT))
    testbed.push(offer)
    if state == "downloading":
        steps.wait_written(testbed, HELD_AT // BLOCK)
    elif state == "verifying":
        testbed.board.wait_for("verifying")
    else:
        steps.wait_lines(testbed, "starting", 2)
    return image, offer


def _finish(testbed, state, image, offer) -> None:
    """After the outage: push what was not pushed yet, and wait for the end."""
    if state in ("connecting", "online"):
        testbed.operator.wait_until_connected()
        steps.wait_subscribed(testbed)  # else there is no session yet that would keep the offer
        testbed.push(offer)
    _check_updated(testbed, image)


def _check_updated(testbed, image) -> None:
    """Not by what the operator has heard: it may come back later than the board."""
    testbed.board.wait_for("confirmed 1.0.1")
    assert steps.lines_with(testbed, '"UPDATE"') >= 1
    checks.check_record(testbed, "ota_1", image, "1.0.1")
    assert testbed.board.slot("ota_1", len(image)) == image


def _check_story(testbed, image, fetches=1) -> None:
    """One update, one boot of the new image, nothing to complain about."""
    assert testbed.board.boots == 2
    assert steps.lines_with(testbed, '"errorCode"') == 0
    assert sum(request.sent for request in testbed.files.requests) < len(image) + BLOCK
    assert len(testbed.files.requests) == fetches
    checks.check_erased_once(testbed, "ota_1", len(image))


# Broker and Wi-Fi


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what", ["broker", "Wi-Fi"])
def test_short(slow_testbed, what, state):
    """Over before most of the code has noticed."""
    testbed = slow_testbed()
    image, offer = _bring_to(testbed, state)
    with Outage(testbed, what):
        time.sleep(0.1)
    _finish(testbed, state, image, offer)
    _check_story(testbed, image, 2 if state == "downloading" else 1)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what, away_s", [("broker", 1), ("Wi-Fi", 3)], ids=["broker", "Wi-Fi"])
def test_seconds(slow_testbed, what, away_s, state):
    """Noticed and named on the console, but no reason to give up an update or an image."""
    testbed = slow_testbed()
    image, offer = _bring_to(testbed, state)
    start = len(testbed.board.lines)
    noticed = f"{errors.CONNECTION_FAILED} Connection failed"
    if what == "Wi-Fi":
        noticed = "Wi-Fi dropped" if state == "downloading" else f"{errors.NO_GOT_IP} No Wi-Fi"
    with Outage(testbed, what):
        testbed.board.wait_for(noticed, start=start)
        time.sleep(away_s)
    _finish(testbed, state, image, offer)
    _check_story(testbed, image, 2 if state == "downloading" else 1)


@pytest.mark.code(errors.NO_GOT_IP)
def test_wifi_away_longer_than_the_window(slow_testbed):
    """The download is given up and the server told as soon as it can be; the offer may come again."""
    testbed = slow_testbed(retry_window_s=WINDOW_S, wifi_timeout_s=1)
    image, offer = _bring_to(testbed, "downloading")
    with Outage(testbed, "Wi-Fi"):
        testbed.board.wait_for("OTA progress:5-")
    testbed.wait_error(errors.NO_GOT_IP)
    steps.update(testbed, offer)
    _check_updated(testbed, image)
    assert checks.error_codes(testbed) == [errors.NO_GOT_IP]
    assert testbed.board.boots == 2


@pytest.mark.parametrize(
    "what, code", [("broker", errors.CONNECTION_FAILED), ("Wi-Fi", errors.NO_GOT_IP)], ids=["broker", "Wi-Fi"]
)
def test_away_longer_than_a_trial(slow_testbed, what, code):
    """The old image cannot connect at once either, so not even the only attempt counts."""
    testbed = slow_testbed(trial_limit_s=2, trial_attempts=1, wifi_timeout_s=1, mqtt_timeout_s=1)
    image, _ = _bring_to(testbed, "first boot")
    with Outage(testbed, what):
        testbed.board.wait_for("trial of 1.0.1: not confirmed within")
        steps.wait_lines(testbed, "1.0.0 build at", 2)
        start = len(testbed.board.lines)
        testbed.board.wait_for(str(code), start=start)
    _check_updated(testbed, image)
    assert steps.lines_with(testbed, "1.0.1 did not confirm") == 1
    assert steps.lines_with(testbed, str(errors.ROLLED_BACK)) == 0
    assert len(testbed.files.requests) == 1


def test_broker_away_from_the_download_on(slow_testbed):
    """For the update it is not needed, however long."""
    testbed = slow_testbed(retry_window_s=WINDOW_S, http_timeout_s=1)
    image, _ = _bring_to(testbed, "downloading")
    with Outage(testbed, "broker"):
        testbed.board.wait_for("1.0.1 build at")
        time.sleep(WINDOW_S)
    _check_updated(testbed, image)
    _check_story(testbed, image, 2)


# The file server


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
    _check_updated(testbed, image)
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
    _check_updated(testbed, image)
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
    _check_updated(testbed, image)
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
    _check_updated(testbed, image)
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
    _check_updated(testbed, image)
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
    _check_updated(testbed, image)
    _check_story(testbed, image, 1 + times)
