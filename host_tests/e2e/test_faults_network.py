"""Connections that are cut, reset, stalled, slowed down or garbled, at each stage of their life.

The board ends up updated, or told what it was; it never stays away. Byte positions are of the TCP stream.
"""

from __future__ import annotations

import json
import urllib.request

import checks
import pytest
import steps

from device import errors
from tools.server.files import Fault
from tools.simboard.board import BLOCK as B
from tools.testbed.proxy import Trouble

KINDS = ["cut", "reset", "stall", "trickle", "garbage"]
SHORT = {"http_timeout_s": 1}  # where a test has to sit one out
PATIENT = {"http_timeout_s": 3600, "retry_window_s": 3600}  # a download hangs until it is released, or cut
IMPATIENT = {"mqtt_timeout_s": 2, "subscribe_timeout_s": 1, "publish_timeout_s": 1, "keepalive_s": 3}

# What of a download is lost at most with its connection: a block, what stands before the body and,
# over TLS, a record.
LOST = {"http": B + 300, "https": B + 16384 + 2000}

# Bytes to the client: handshake, head, body, last block; None = as many as the image has.
ANSWER = {"https": [60, 2000, 30000, None], "http": [100, 2 * B + 300, None]}
REQUEST = {"https": [60, 400], "http": [60]}

# Where the board connects, subscribes and reports, in bytes to the client or to the server.
PHASES = {
    "mqtts": {"to_client": {"connect": 60, "greeting": 1430, "subscribe": 1460, "report": 1545}},
    "mqtt": {
        "to_client": {"greeting": 2, "subscribe": 6, "report": 16},
        "to_server": {"connect": 20, "subscribe": 100, "report": 200},
    },
}
LINKS = [(scheme, way, phase) for scheme in PHASES for way in PHASES[scheme] for phase in PHASES[scheme][way]]


def _with_kinds(places):
    """Without garbage over plain http, which nothing but the signature can tell: see test_garbage_*."""
    cases = [(transport, at, kind) for transport in places for at in places[transport] for kind in KINDS]
    return [case for case in cases if (case[0], case[2]) != ("http", "garbage")]


def _proxy(testbed, transport):
    return getattr(testbed, transport + "_proxy")


def _begin(make_testbed, transport, *troubles, config=None):
    """A board that is online, and what an update by this transport will meet: (testbed, image, offer)."""
    testbed = make_testbed(proxies=True, config=config)
    steps.online(testbed)
    for trouble in troubles:
        _proxy(testbed, transport).plan(trouble)
    return testbed, *steps.new_offer(testbed, transport=transport)


def _head_size(testbed, offer):
    """Of the answer to a request for the image by http."""
    url = testbed.files.http_url(offer["http_url"].rpartition("/")[2])
    with urllib.request.urlopen(url, timeout=steps.PATIENCE_S) as answer:
        fields = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    testbed.files.requests.clear()
    return len("HTTP/1.1 200 OK\r\n" + fields + "\r\n")


def _check_updated(testbed, image):
    testbed.board.wait_for("confirmed 1.0.1")
    assert testbed.board.boots == 2
    assert checks.error_codes(testbed) == []
    checks.check_record(testbed, "ota_1", image, "1.0.1")
    assert testbed.board.slot("ota_1", len(image)) == image


def _downloads(testbed, transport):
    """Connections of the download. The last by https is none of them: it is the image's self test."""
    connections = _proxy(testbed, transport).connections
    if transport == "http":
        return connections
    steps.until(lambda: connections[-1].to_client < B, "the self test")
    return connections[:-1]


def _check_resumed(testbed, transport, trouble, image):
    """What had come before the trouble began was not fetched twice, and no block written twice."""
    first, second = _downloads(testbed, transport)
    assert (first.trouble, second.trouble) == (trouble.kind, "")
    kept = int((testbed.files.requests[-1].range or "bytes=0-")[len("bytes=") : -1])
    assert kept <= trouble.at_byte < kept + LOST[transport]
    assert second.to_client < len(image) - kept + LOST[transport] - B
    checks.check_erased_once(testbed, "ota_1", len(image))


# The download


@pytest.mark.sample(7)
@pytest.mark.parametrize(("transport", "at", "kind"), _with_kinds(ANSWER))
def test_answer(make_testbed, transport, at, kind):
    testbed, image, offer = _begin(make_testbed, transport, config=SHORT)
    trouble = Trouble(kind, at or len(image))
    _proxy(testbed, transport).plan(trouble)
    steps.update(testbed, offer)
    _check_resumed(testbed, transport, trouble, image)
    _check_updated(testbed, image)


@pytest.mark.sample(7)
@pytest.mark.parametrize(("transport", "at", "kind"), _with_kinds(REQUEST))
def test_request(make_testbed, transport, at, kind):
    testbed, image, offer = _begin(make_testbed, transport, Trouble(kind, at, "to_server"), config=SHORT)
    steps.update(testbed, offer)
    assert [c.trouble for c in _downloads(testbed, transport)] == [kind, ""]
    _check_updated(testbed, image)


@pytest.mark.parametrize("transport", ["https", "http"])
def test_one_after_the_other(make_testbed, transport):
    """Six bad connections, then a good one: nothing that came is fetched again."""
    troubles = [
        Trouble("refuse"),
        Trouble("cut", 100),
        Trouble("reset", 3000 + 2 * B),
        Trouble("stall", 4000),
        Trouble("trickle", 3000 + 5 * B),
        Trouble("cut", 10, "to_server"),
    ]
    testbed, image, offer = _begin(make_testbed, transport, *troubles, config=SHORT)
    steps.update(testbed, offer)
    assert [c.trouble for c in _downloads(testbed, transport)] == [
        *(trouble.kind for trouble in troubles),
        "",
    ]
    checks.check_erased_once(testbed, "ota_1", len(image))
    _check_updated(testbed, image)


@pytest.mark.parametrize("transport", ["https", "http"])
def test_server_goes_and_comes_back(make_testbed, transport):
    testbed, image, offer = _begin(make_testbed, transport, config=PATIENT)
    testbed.files.fail(Fault(stall_after=5 * B + 7))
    testbed.push(offer)
    steps.wait_written(testbed, 5)
    _proxy(testbed, transport).down()
    steps.wait_lines(testbed, f"download at byte {5 * B}", 2)
    _proxy(testbed, transport).up()
    testbed.wait_report("UPDATE", steps.PATIENCE_S)
    assert testbed.files.requests[-1].range == f"bytes={5 * B}-"
    checks.check_erased_once(testbed, "ota_1", len(image))
    _check_updated(testbed, image)


@pytest.mark.parametrize("at", [0, 5 * B])
@pytest.mark.parametrize("line", [b"", b"HTTP/1.1 503 Busy\r\n\r\n", b"HTTP/1.1 500\r\n\r\n"])
def test_answer_of_a_middlebox(make_testbed, line, at):
    """In front of everything, and when the download is to go on."""
    troubles = [Trouble("cut", at), Trouble("replace", data=line)]
    testbed, image, offer = _begin(make_testbed, "http", *troubles)
    steps.update(testbed, offer)
    assert [c.trouble for c in testbed.http_proxy.connections] == ["cut", "replace", ""]
    checks.check_erased_once(testbed, "ota_1", len(image))
    _check_updated(testbed, image)


@pytest.mark.parametrize("at", [0, 100])
def test_garbage_in_a_plain_head(make_testbed, at):
    """No HTTP: that ends the update. The same offer may come again at once."""
    testbed, _, offer = _begin(make_testbed, "http", Trouble("garbage", at))
    steps.refuse(testbed, offer, errors.HTTP_STATUS)
    assert not any(testbed.board.wear("ota_1"))
    steps.update(testbed, offer)
    assert checks.error_codes(testbed) == [errors.HTTP_STATUS]


@pytest.mark.parametrize(
    ("at", "code"), [(0, errors.HEADER_INVALID), *((at, errors.SHA256_ECDSA) for at in (100, 5 * B, 12 * B))]
)
@pytest.mark.parametrize("length", [None, 1], ids=["all", "one byte"])
def test_garbage_in_a_plain_body(make_testbed, at, code, length):
    """It is told from the owner's bytes, wherever it is. The next version finds a board in good health."""
    testbed, image, offer = _begin(make_testbed, "http")
    testbed.http_proxy.plan(Trouble("garbage", _head_size(testbed, offer) + at, length=length))
    steps.refuse(testbed, offer, code)
    assert testbed.board.boots == 1
    assert testbed.board.slot("ota_1", 64) == b"\xff" * 64
    steps.update(testbed, steps.new_offer(testbed, "1.0.2", "http")[1])
    assert checks.error_codes(testbed) == [code]


def test_garbage_in_a_resumed_plain_body(make_testbed):
    """Pieces that do not fit together are fetched once more as a whole."""
    testbed, image, offer = _begin(make_testbed, "http", Trouble("cut", 5 * B), Trouble("garbage", 2 * B))
    steps.update(testbed, offer)
    assert [request.range for request in testbed.files.requests] == [None, f"bytes={4 * B}-", None]
    _check_updated(testbed, image)


# The broker


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
    _check_updated(testbed, image)


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
    _check_updated(testbed, image)


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
