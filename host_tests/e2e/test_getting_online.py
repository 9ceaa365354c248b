"""What keeps a board offline is named on its console: Wi-Fi and clock; and it gets over it."""

from __future__ import annotations

import time

import checks
import pytest
import steps

from device import errors
from tools.testbed.ntp import NtpServer
from tools.testbed.stage import WIFI

DAY_S = 86400
YEAR_S = 365 * DAY_S
LIES = {
    "dead": ("dead", 0),
    "zero": ("zero", 0),
    "kiss of death": ("kiss_of_death", 0),
    "ten years slow": ("honest", -10 * YEAR_S),
    "thirty years fast": ("honest", 30 * YEAR_S),
}


@pytest.mark.code(errors.NO_GOT_IP)
@pytest.mark.parametrize(
    "network", [[WIFI[0], "wrong password"], ["nobody", WIFI[1]]], ids=["password", "ssid"]
)
def test_no_network(make_stage, network):
    stage = make_stage(config={"wifi": [network], "wifi_timeout_s": 1})
    stage.board.power_on()
    steps.wait_lines(stage, f"{errors.NO_GOT_IP} No Wi-Fi", 2)
    assert stage.board.boots == 1
    assert not stage.operator.messages
    assert stage.ntp.requests == 0


def test_second_network(make_stage):
    wifi = [["cafe", "espresso"], [WIFI[0], "wrong password"], list(WIFI)]
    stage = make_stage(config={"wifi": wifi, "wifi_timeout_s": 1})
    steps.online(stage)
    assert steps.lines_with(stage, "Wi-Fi 'cafe': no connection") == 1
    assert steps.lines_with(stage, "Wi-Fi 'home': no connection") == 1
    assert steps.lines_with(stage, str(errors.NO_GOT_IP)) == 0


def test_air_comes_back(make_stage):
    stage = make_stage(config={"wifi_timeout_s": 1})
    stage.board.wifi(False)
    stage.board.power_on()
    stage.board.wait_for(str(errors.NO_GOT_IP))
    stage.board.wifi(True)
    stage.wait_report("INIT")
    assert stage.board.boots == 1


@pytest.mark.code(errors.NO_CLOCK)
@pytest.mark.parametrize(("runtime", "lie"), [*(("mp32", lie) for lie in LIES), ("cpython", "zero")])
def test_no_clock(make_stage, runtime, lie):
    """Nobody is locked out: the board goes on with the time it knows, which is at least that of its build,
    says so once, and updates itself."""
    mode, offset_s = LIES[lie]
    stage = make_stage(runtime=runtime, ntp=NtpServer(mode, offset_s))
    steps.online(stage)
    assert stage.wait_error(errors.NO_CLOCK).name == "progress/report"
    assert stage.ntp.requests >= 1
    checks.check_envelopes(stage)
    image, offer = steps.new_offer(stage)
    steps.update(stage, offer)
    stage.board.wait_for("confirmed 1.0.1")
    checks.check_record(stage, "ota_1", image, "1.0.1")


def test_time_goes_not_back_behind_what_was_known(make_stage):
    """A board that was online in a month goes on from there, whatever NTP says after a power cut."""
    stage = make_stage(ntp=NtpServer("honest", 30 * DAY_S))
    steps.online(stage)
    steps.until(lambda: steps.record(stage).get("known_time"), "the time on record")
    known = stage.board.state()["known_time"]
    assert abs(known - time.time() - 30 * DAY_S) < 300
    stage.board.cut_power()
    stage.ntp.offset_s = DAY_S
    since = len(stage.operator.messages)
    stage.board.power_on()
    stage.wait_error(errors.NO_CLOCK, since=since)
    report = stage.wait_report("INIT", since=since)
    assert report.envelope["time"] // 1000 >= known
    assert steps.lines_with(stage, "NTP goes back") == 1


def test_second_ntp_host(make_stage):
    stage = make_stage(config={"ntp_hosts": ["no-such-host.invalid", "127.0.0.1"]})
    steps.online(stage)
    assert steps.lines_with(stage, "NTP no-such-host.invalid: ") == 1
    assert steps.lines_with(stage, str(errors.NO_CLOCK)) == 0
