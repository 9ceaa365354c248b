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
    """with Outage(stage, what): in there it is gone."""

    def __init__(self, stage, what: str) -> None:
        self._stage = stage
        self._what = what

    def __enter__(self) -> None:
        if self._what == "Wi-Fi":
            self._stage.board.wifi(False)
        else:
            self._stage.broker.kill()

    def __exit__(self, *_: object) -> None:
        if self._what == "Wi-Fi":
            self._stage.board.wifi(True)
        else:
            self._stage.broker.start()


@pytest.fixture
def slow_stage(make_stage, make_app):
    """slow_stage(**config) -> a Stage whose board runs apps.slow()."""
    held = {"http_timeout_s": pace.seconds(2)}  # so long a download hangs
    return lambda **config: make_stage(app=make_app(apps.slow()), config=held | config)


def _bring_to(stage, state) -> tuple[bytes, dict]:
    """Return when the board is in this state: (image, offer), which it has got but in the first two."""
    image, offer = steps.new_offer(stage)
    if state == "connecting":
        stage.board.power_on()
        stage.board.wait_for("starting")
        return image, offer
    steps.online(stage)
    if state == "online":
        return image, offer
    if state == "downloading":
        stage.files.fail(Fault(stall_after=HELD_AT))
    stage.push(offer)
    if state == "downloading":
        steps.wait_written(stage, HELD_AT // BLOCK)
    elif state == "verifying":
        stage.board.wait_for("verifying")
    else:
        steps.wait_lines(stage, "starting", 2)
    return image, offer


def _finish(stage, state, image, offer) -> None:
    """After the outage: push what was not pushed yet, and wait for the end."""
    if state in ("connecting", "online"):
        stage.operator.wait_until_connected()
        steps.wait_subscribed(stage)  # else there is no session yet that would keep the offer
        stage.push(offer)
    _check_updated(stage, image)


def _check_updated(stage, image) -> None:
    """Not by what the operator has heard: it may come back later than the board."""
    stage.board.wait_for("confirmed 1.0.1")
    assert steps.lines_with(stage, '"UPDATE"') >= 1
    checks.check_record(stage, "ota_1", image, "1.0.1")
    assert stage.board.slot("ota_1", len(image)) == image


def _check_story(stage, image, fetches=1) -> None:
    """One update, one boot of the new image, nothing to complain about."""
    assert stage.board.boots == 2
    assert steps.lines_with(stage, '"errorCode"') == 0
    assert sum(request.sent for request in stage.files.requests) < len(image) + BLOCK
    assert len(stage.files.requests) == fetches
    checks.check_erased_once(stage, "ota_1", len(image))


# Broker and Wi-Fi


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what", ["broker", "Wi-Fi"])
def test_short(slow_stage, what, state):
    """Over before most of the code has noticed."""
    stage = slow_stage()
    image, offer = _bring_to(stage, state)
    with Outage(stage, what):
        time.sleep(0.1)
    _finish(stage, state, image, offer)
    _check_story(stage, image, 2 if state == "downloading" else 1)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what, away_s", [("broker", 1), ("Wi-Fi", 3)], ids=["broker", "Wi-Fi"])
def test_seconds(slow_stage, what, away_s, state):
    """Noticed and named on the console, but no reason to give up an update or an image."""
    stage = slow_stage()
    image, offer = _bring_to(stage, state)
    start = len(stage.board.lines)
    noticed = f"{errors.CONNECTION_FAILED} Connection failed"
    if what == "Wi-Fi":
        noticed = "Wi-Fi dropped" if state == "downloading" else f"{errors.NO_GOT_IP} No Wi-Fi"
    with Outage(stage, what):
        stage.board.wait_for(noticed, start=start)
        time.sleep(away_s)
    _finish(stage, state, image, offer)
    _check_story(stage, image, 2 if state == "downloading" else 1)


@pytest.mark.code(errors.NO_GOT_IP)
def test_wifi_away_longer_than_the_window(slow_stage):
    """The download is given up and the server told as soon as it can be; the offer may come again."""
    stage = slow_stage(retry_window_s=WINDOW_S, wifi_timeout_s=1)
    image, offer = _bring_to(stage, "downloading")
    with Outage(stage, "Wi-Fi"):
        stage.board.wait_for("OTA progress:5-")
    stage.wait_error(errors.NO_GOT_IP)
    steps.update(stage, offer)
    _check_updated(stage, image)
    assert checks.error_codes(stage) == [errors.NO_GOT_IP]
    assert stage.board.boots == 2


@pytest.mark.parametrize(
    "what, code", [("broker", errors.CONNECTION_FAILED), ("Wi-Fi", errors.NO_GOT_IP)], ids=["broker", "Wi-Fi"]
)
def test_away_longer_than_a_trial(slow_stage, what, code):
    """The old image cannot connect at once either, so not even the only attempt counts."""
    stage = slow_stage(trial_limit_s=2, trial_attempts=1, wifi_timeout_s=1, mqtt_timeout_s=1)
    image, _ = _bring_to(stage, "first boot")
    with Outage(stage, what):
        stage.board.wait_for("trial of 1.0.1: not confirmed within")
        steps.wait_lines(stage, "1.0.0 build at", 2)
        start = len(stage.board.lines)
        stage.board.wait_for(str(code), start=start)
    _check_updated(stage, image)
    assert steps.lines_with(stage, "1.0.1 did not confirm") == 1
    assert steps.lines_with(stage, str(errors.ROLLED_BACK)) == 0
    assert len(stage.files.requests) == 1


def test_broker_away_from_the_download_on(slow_stage):
    """For the update it is not needed, however long."""
    stage = slow_stage(retry_window_s=WINDOW_S, http_timeout_s=1)
    image, _ = _bring_to(stage, "downloading")
    with Outage(stage, "broker"):
        stage.board.wait_for("1.0.1 build at")
        time.sleep(WINDOW_S)
    _check_updated(stage, image)
    _check_story(stage, image, 2)


# The file server


class Host:
    """A file server beside the stage's own, which can go and come back at its address."""

    def __init__(self, stage, stack: contextlib.ExitStack) -> None:
        self._stage = stage
        self._stack = stack
        self._ports: dict[str, int] = {}
        self.requests: list = []  # of all its lives

    def start(self, *faults: Fault) -> None:
        self._server = FileServer(self._stage.images, self._stage.keys, **self._ports)
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
        image, offer = steps.new_offer(self._stage)
        return image, offer | {"https_url": self._server.https_url("firmware-1.0.1.img")}


@pytest.fixture
def make_host():
    """make_host(stage) -> a Host that is up."""
    with contextlib.ExitStack() as stack:

        def make(stage, *faults):
            host = Host(stage, stack)
            host.start(*faults)
            return host

        yield make


@pytest.mark.parametrize("away_s", [0.1, 2], ids=["short", "2 s"])
def test_file_server_stopped_before_the_offer(slow_stage, make_host, away_s):
    stage = slow_stage()
    steps.online(stage)
    host = make_host(stage)
    image, offer = host.offer()
    host.stop()
    stage.push(offer)
    stage.board.wait_for("OTA progress:1-0%")
    time.sleep(away_s)
    host.start()
    _check_updated(stage, image)
    assert stage.board.boots == 2
    assert checks.error_codes(stage) == []
    assert [request.range for request in host.requests] == [None]


@pytest.mark.parametrize("away_s", [0.1, 2], ids=["short", "2 s"])
def test_file_server_restarted_in_the_download(slow_stage, make_host, away_s):
    stage = slow_stage(http_timeout_s=3600)
    steps.online(stage)
    host = make_host(stage, Fault(stall_after=HELD_AT))
    image, offer = host.offer()
    stage.push(offer)
    steps.wait_written(stage, HELD_AT // BLOCK)
    host.stop()
    time.sleep(away_s)
    host.start()
    _check_updated(stage, image)
    assert stage.board.boots == 2
    assert checks.error_codes(stage) == []
    assert [request.range for request in host.requests] == [None, f"bytes={5 * BLOCK}-"]
    checks.check_erased_once(stage, "ota_1", len(image))


@pytest.mark.parametrize("state", ["verifying", "first boot"])
def test_file_server_stopped_after_the_download(slow_stage, make_host, state):
    """Nobody needs it any more."""
    stage = slow_stage()
    steps.online(stage)
    host = make_host(stage)
    image, offer = host.offer()
    stage.push(offer)
    steps.wait_lines(stage, *(("verifying", 1) if state == "verifying" else ("starting", 2)))
    host.stop()
    _check_updated(stage, image)
    assert len(host.requests) == 1
    assert checks.error_codes(stage) == []


def test_file_server_away_when_the_power_comes_back(slow_stage, make_host):
    """The download goes on where it was, once there is somebody to ask."""
    stage = slow_stage(checkpoint_kib=4)
    steps.online(stage)
    host = make_host(stage, Fault(stall_after=HELD_AT))
    image, offer = host.offer()
    stage.push(offer)
    steps.wait_written(stage, 5)
    stage.board.cut_power()
    host.stop()
    stage.board.power_on()
    steps.wait_lines(stage, f"download at byte {5 * BLOCK}: ", 2)
    host.start()
    _check_updated(stage, image)
    assert [request.range for request in host.requests] == [None, "bytes=0-63", f"bytes={5 * BLOCK}-"]
    assert checks.error_codes(stage) == []


@pytest.mark.code(errors.CONNECTION_FAILED, errors.TIMEOUT)
@pytest.mark.parametrize("how, code", [("stopped", errors.CONNECTION_FAILED), ("stalls", errors.TIMEOUT)])
def test_file_server_away_longer_than_the_window(slow_stage, make_host, how, code):
    """Reported; and when the offer comes again, the download goes on where it was."""
    stage = slow_stage(retry_window_s=WINDOW_S, http_timeout_s=1, checkpoint_kib=4)
    steps.online(stage)
    host = make_host(stage, Fault(stall_after=HELD_AT), Fault(stall_after=0, times=None))
    image, offer = host.offer()
    stage.push(offer)
    steps.wait_written(stage, HELD_AT // BLOCK)
    if how == "stopped":
        host.stop()
    stage.wait_error(code, steps.PATIENCE_S)
    if how == "stalls":
        host.stop()
    host.start()
    steps.update(stage, offer)
    _check_updated(stage, image)
    assert checks.error_codes(stage) == [code]
    assert [request.range for request in host.requests][-2:] == ["bytes=0-63", f"bytes={5 * BLOCK}-"]


@pytest.mark.parametrize("times", [1, 3])
def test_file_server_stalls(slow_stage, times):
    """Again and again, each time after a block or two."""
    stage = slow_stage(http_timeout_s=1)
    image, offer = steps.new_offer(stage)
    stage.files.fail(Fault(stall_after=BLOCK + 50, times=times))
    steps.online(stage)
    stage.push(offer)
    _check_updated(stage, image)
    _check_story(stage, image, 1 + times)
