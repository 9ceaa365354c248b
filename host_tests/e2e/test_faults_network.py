"""Connections of the broker cut, reset, stalled, slowed down or garbled, at each stage of their life.

The board ends up updated, or told what it was; it never stays away. Byte positions are of the TCP stream.
"""

from __future__ import annotations

import json

import checks
import pytest
import steps
from networkfaults import KINDS, PATIENT, check_updated

from device import errors
from tools.server.files import Fault
from tools.simboard.board import BLOCK as B
from tools.testbed.proxy import Trouble

IMPATIENT = {"mqtt_timeout_s": 2, "subscribe_timeout_s": 1, "publish_timeout_s": 1, "keepalive_s": 3}

# Where the board connects, subscribes and reports, in bytes to the client or to the server.
PHASES = {
    "mqtts": {"to_client": {"connect": 60, "greeting": 1430, "subscribe": 1460, "report": 1545}},
    "mqtt": {
        "to_client": {"greeting": 2, "subscribe": 6, "report": 16},
        "to_server": {"connect": 20, "subscribe": 100, "report": 200},
    },
}
LINKS = [(scheme, way, phase) for scheme in PHASES for way in PHASES[scheme] for phase in PHASES[scheme][way]]


@pytest.mark.sample(7)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scheme", "direction", "phase"), LINKS)
def test_getting_online(make_testbed, scheme, direction, phase, kind):
    """The second connection is a good one, and the board takes an offer."""
    testbed = make_testbed(proxies=True, plain_mqtt=scheme == "mqtt", config=IMPATIENT)
    testbed.broker_proxy.plan(Trouble(kind, PHASES[scheme][direction][phase], direction))
    steps.online(testbed)
    steps.update(testbed, steps.new_offer(testbed)[1])
    assert [c.trouble for c in testbed.broker_proxy.connections][:2] == [kind, ""]
    assert testbed.board.boots == 2
    assert checks.error_codes(testbed) == []


@pytest.mark.sample(7)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", ["to_client", "to_server"])
@pytest.mark.parametrize("scheme", ["mqtts", "mqtt"])
def test_link_during_a_download(make_testbed, scheme, direction, kind):
    """The update goes on: of its broker it needs nothing until the trial."""
    testbed = make_testbed(proxies=True, plain_mqtt=scheme == "mqtt", config=IMPATIENT | PATIENT)
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(stall_after=5 * B))
    testbed.push(offer)
    steps.wait_written(testbed, 4)
    link = testbed.broker_proxy.connections[-1]
    testbed.broker_proxy.strike(Trouble(kind, direction=direction))
    testbed.files.release()
    testbed.wait_report("UPDATE", steps.PATIENCE_S)
    assert link.trouble == kind
    assert len(testbed.files.requests) == 2
    checks.check_erased_once(testbed, "ota_1", len(image))
    check_updated(testbed, image)


@pytest.mark.parametrize("kind", ["cut", "reset", "stall"])
@pytest.mark.parametrize("scheme", ["mqtts", "mqtt"])
def test_idle_link(make_testbed, scheme, kind):
    """Half-open, as behind a router that has forgotten it, is the worst: nothing comes, nothing fails."""
    testbed = make_testbed(proxies=True, plain_mqtt=scheme == "mqtt", config=IMPATIENT)
    steps.online(testbed)
    testbed.broker_proxy.strike(Trouble(kind))
    steps.update(testbed, steps.new_offer(testbed)[1])
    assert checks.error_codes(testbed) == []


@pytest.mark.parametrize("transport", ["https", "http"])
def test_no_room_for_two_connections(make_testbed, transport):
    """The broker steps back for the download; what the board then reports is the new version."""
    testbed = make_testbed()
    testbed.board.facts |= {"connections": 1}
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport=transport)
    steps.update(testbed, offer)
    assert steps.lines_with(testbed, "no room for two connections") == 1
    assert len(testbed.files.requests) == 1
    check_updated(testbed, image)


def test_no_room_for_two_connections_and_a_bad_image(make_testbed):
    """The broker hears of it once the update is over."""
    testbed = make_testbed()
    testbed.board.facts |= {"connections": 1}
    steps.online(testbed)
    _, offer = steps.spoilt_offer(testbed)
    steps.refuse(testbed, offer, errors.SHA256_ECDSA)
    assert checks.error_codes(testbed) == [errors.SHA256_ECDSA]


def _next_start(testbed, connections):
    """From the next start on there is memory for so many."""
    facts = testbed.board.facts | {"connections": connections}
    (testbed.board.folder / "board.json").write_text(json.dumps(facts))


def test_no_room_for_the_broker_is_cured_by_a_restart(make_testbed):
    """The heap may only be in pieces: a board must not stay away for that."""
    testbed = make_testbed(config={"backoff_max_s": 1})
    testbed.board.facts |= {"connections": 0}
    testbed.board.power_on()
    steps.until(lambda: steps.lines_with(testbed, "-2 Out of memory"), "the first failure")
    _next_start(testbed, connections=1)
    testbed.wait_report("INIT", steps.PATIENCE_S)
    assert steps.lines_with(testbed, "no memory to get online") == 1
    assert steps.lines_with(testbed, "-2 Out of memory") == 9, "the tenth restarts"


def test_no_room_for_the_broker_on_trial(make_testbed):
    """The old image gets its turn, and with the room for it the new one gets another."""
    testbed = make_testbed(config={"backoff_max_s": 1})
    steps.online(testbed)
    offer = steps.new_offer(testbed, transport="http")[1]  # by https, its self test would end it first
    _next_start(testbed, connections=0)
    since = len(testbed.operator.messages)
    testbed.push(offer)
    testbed.board.wait_for("trial of 1.0.1: no memory to get online")
    _next_start(testbed, connections=2)
    testbed.wait_report("UPDATE", steps.PATIENCE_S, since)
    assert steps.lines_with(testbed, "did not confirm (no memory to get online), trying it again") == 1
    testbed.board.wait_for("confirmed 1.0.1")
    assert testbed.board.boots == 4


def test_cut_inside_an_offer(make_testbed):
    """The broker sends it again; nobody is told that it was malformed."""
    testbed = make_testbed(proxies=True, plain_mqtt=True)
    steps.online(testbed)
    testbed.broker_proxy.strike(Trouble("cut", 100))
    steps.update(testbed, steps.new_offer(testbed)[1])
    assert checks.error_codes(testbed) == []


@pytest.mark.parametrize("scheme", ["mqtts", "mqtt"])
def test_broker_goes_and_comes_back(make_testbed, scheme):
    testbed = make_testbed(proxies=True, plain_mqtt=scheme == "mqtt", config=IMPATIENT)
    steps.online(testbed)
    testbed.broker_proxy.down()
    steps.wait_lines(testbed, str(errors.CONNECTION_FAILED), 3)
    testbed.push(steps.new_offer(testbed)[1])
    testbed.broker_proxy.up()
    testbed.wait_report("UPDATE", steps.PATIENCE_S)
    assert checks.error_codes(testbed) == []
