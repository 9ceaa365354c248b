"""What keeps a board offline is named on its console: Wi-Fi and clock; and it gets over it."""

from __future__ import annotations

import time

import checks
import pytest
import steps

from device import errors
from tools.testbed.ntp import NtpServer
from tools.testbed.testbed import WIFI

DAY_S = 86400
YEAR_S = 365 * DAY_S
LIES = {
    "dead": ("dead", 0),
    "zero": ("zero", 0),
    "kiss of death": ("kiss_of_death", 0),
    "ten years slow": ("valid", -10 * YEAR_S),
    "thirty years fast": ("valid", 30 * YEAR_S),
}


@pytest.mark.code(errors.NO_GOT_IP)
@pytest.mark.parametrize(
    "network", [[WIFI[0], "wrong password"], ["nobody", WIFI[1]]], ids=["password", "ssid"]
)
def test_no_network(make_testbed, network):
    testbed = make_testbed(config={"wifi": [network], "wifi_timeout_s": 1})
    testbed.board.power_on()
    steps.wait_lines(testbed, f"{errors.NO_GOT_IP} No Wi-Fi", 2)
    assert testbed.board.boots == 1
    assert not testbed.operator.messages
    assert testbed.ntp.requests == 0


def test_second_network(make_testbed):
    wifi = [["cafe", "espresso"], [WIFI[0], "wrong password"], list(WIFI)]
    testbed = make_testbed(config={"wifi": wifi, "wifi_timeout_s": 1})
    steps.online(testbed)
    assert steps.lines_with(testbed, "Wi-Fi 'cafe': no connection") == 1
    assert steps.lines_with(testbed, "Wi-Fi 'home': no connection") == 1
    assert steps.lines_with(testbed, str(errors.NO_GOT_IP)) == 0


def test_air_comes_back(make_testbed):
    testbed = make_testbed(config={"wifi_timeout_s": 1})
    testbed.board.wifi(False)
    testbed.board.power_on()
    testbed.board.wait_for(str(errors.NO_GOT_IP))
    testbed.board.wifi(True)
    testbed.wait_report("INIT")
    assert testbed.board.boots == 1


@pytest.mark.code(errors.NO_CLOCK)
@pytest.mark.parametrize(("runtime", "lie"), [*(("mp32", lie) for lie in LIES), ("cpython", "zero")])
def test_no_clock(make_testbed, runtime, lie):
    """Nobody is locked out: the board goes on with the time it knows, which is at least that of its build,
    says so once, and updates itself."""
    mode, offset_s = LIES[lie]
    testbed = make_testbed(runtime=runtime, ntp=NtpServer(mode, offset_s))
    steps.online(testbed)
    assert testbed.wait_error(errors.NO_CLOCK).name == "progress/report"
    assert testbed.ntp.requests >= 1
    checks.check_envelopes(testbed)
    image, offer = steps.new_offer(testbed)
    steps.update(testbed, offer)
    testbed.board.wait_for("confirmed 1.0.1")
    checks.check_record(testbed, "ota_1", image, "1.0.1")


def test_time_goes_not_back_behind_what_was_known(make_testbed):
    """A board that was online in a month goes on from there, whatever NTP says after a power cut."""
    testbed = make_testbed(ntp=NtpServer("valid", 30 * DAY_S))
    steps.online(testbed)
    steps.until(lambda: steps.record(testbed).get("known_time"), "the time on record")
    known = testbed.board.state()["known_time"]
    assert abs(known - time.time() - 30 * DAY_S) < 300
    testbed.board.cut_power()
    testbed.ntp.offset_s = DAY_S
    since = len(testbed.operator.messages)
    testbed.board.power_on()
    testbed.wait_error(errors.NO_CLOCK, since=since)
    report = testbed.wait_report("INIT", since=since)
    assert report.envelope["time"] // 1000 >= known
    assert steps.lines_with(testbed, "NTP goes back") == 1


def test_second_ntp_host(make_testbed):
    testbed = make_testbed(config={"ntp_hosts": ["no-such-host.invalid", "127.0.0.1"]})
    steps.online(testbed)
    assert steps.lines_with(testbed, "NTP no-such-host.invalid: ") == 1
    assert steps.lines_with(testbed, str(errors.NO_CLOCK)) == 0
