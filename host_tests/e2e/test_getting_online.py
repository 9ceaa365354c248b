"""What keeps a board offline is named on its console: Wi-Fi and clock; and it gets over it."""

from __future__ import annotations

import acts
import proofs
import pytest

from tools.servers.ntp import NtpServer
from tools.stage import MAC, WIFI

YEAR_S = 365 * 86400
LIES = {
    "dead": ("dead", 0),
    "zero": ("zero", 0),
    "kiss of death": ("kiss_of_death", 0),
    "ten years slow": ("honest", -10 * YEAR_S),
    "thirty years fast": ("honest", 30 * YEAR_S),
}


@pytest.mark.code(-10007)
@pytest.mark.parametrize(
    "network", [[WIFI[0], "wrong password"], ["nobody", WIFI[1]]], ids=["password", "ssid"]
)
def test_no_network(make_stage, network):
    stage = make_stage(config={"wifi": [network], "wifi_timeout_s": 1})
    stage.board.power_on()
    acts.wait_lines(stage, "-10007 No Wi-Fi", 2)
    assert stage.board.boots == 1
    assert not stage.operator.messages
    assert stage.ntp.requests == 0


def test_second_network(make_stage):
    wifi = [["cafe", "espresso"], [WIFI[0], "wrong"], list(WIFI)]
    stage = make_stage(config={"wifi": wifi, "wifi_timeout_s": 1})
    acts.online(stage)
    assert acts.lines_with(stage, "Wi-Fi 'cafe': no connection") == 1
    assert acts.lines_with(stage, "Wi-Fi 'home': no connection") == 1
    assert acts.lines_with(stage, "-10007") == 0


def test_air_comes_back(make_stage):
    stage = make_stage(config={"wifi_timeout_s": 1})
    stage.board.wifi(False)
    stage.board.power_on()
    stage.board.wait_for("-10007")
    stage.board.wifi(True)
    stage.wait_report("INIT")
    assert stage.board.boots == 1


@pytest.mark.code(-10042)
@pytest.mark.parametrize(("runtime", "lie"), [*(("mp32", lie) for lie in LIES), ("cpython", "zero")])
def test_no_clock(make_stage, runtime, lie):
    """Without a time there is no certificate check, so the broker is left alone until there is."""
    mode, offset_s = LIES[lie]
    stage = make_stage(runtime=runtime, ntp=NtpServer(mode, offset_s))
    stage.board.power_on()
    acts.wait_lines(stage, "-10042 Clock not set", 2)
    assert stage.ntp.requests >= 2
    assert MAC not in stage.broker.log.read_text()
    stage.ntp.mode, stage.ntp.offset_s = "honest", 0
    stage.wait_report("INIT")
    proofs.check_envelopes(stage)
    assert stage.board.boots == 1


def test_second_ntp_host(make_stage):
    stage = make_stage(config={"ntp_hosts": ["no-such-host.invalid", "127.0.0.1"]})
    acts.online(stage)
    assert acts.lines_with(stage, "NTP no-such-host.invalid: ") == 1
    assert acts.lines_with(stage, "-10042") == 0
