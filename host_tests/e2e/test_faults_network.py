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


def _proxy(stage, transport):
    return getattr(stage, transport + "_proxy")


def _begin(make_stage, transport, *troubles, config=None):
    """A board that is online, and what an update by this transport will meet: (stage, image, offer)."""
    stage = make_stage(proxies=True, config=config)
    steps.online(stage)
    for trouble in troubles:
        _proxy(stage, transport).plan(trouble)
    return stage, *steps.new_offer(stage, transport=transport)


def _head_size(stage, offer):
    """Of the answer to a request for the image by http."""
    url = stage.files.http_url(offer["http_url"].rpartition("/")[2])
    with urllib.request.urlopen(url, timeout=steps.PATIENCE_S) as answer:
        fields = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    stage.files.requests.clear()
    return len("HTTP/1.1 200 OK\r\n" + fields + "\r\n")


def _check_updated(stage, image):
    stage.board.wait_for("confirmed 1.0.1")
    assert stage.board.boots == 2
    assert checks.error_codes(stage) == []
    checks.check_record(stage, "ota_1", image, "1.0.1")
    assert stage.board.slot("ota_1", len(image)) == image


def _downloads(stage, transport):
    """Connections of the download. The last by https is none of them: it is the image's self test."""
    connections = _proxy(stage, transport).connections
    if transport == "http":
        return connections
    steps.until(lambda: connections[-1].to_client < B, "the self test")
    return connections[:-1]


def _check_resumed(stage, transport, trouble, image):
    """What had come before the trouble began was not fetched twice, and no block written twice."""
    first, second = _downloads(stage, transport)
    assert (first.trouble, second.trouble) == (trouble.kind, "")
    kept = int((stage.files.requests[-1].range or "bytes=0-")[len("bytes=") : -1])
    assert kept <= trouble.at_byte < kept + LOST[transport]
    assert second.to_client < len(image) - kept + LOST[transport] - B
    checks.check_erased_once(stage, "ota_1", len(image))


# The download


@pytest.mark.sample(7)
@pytest.mark.parametrize(("transport", "at", "kind"), _with_kinds(ANSWER))
def test_answer(make_stage, transport, at, kind):
    stage, image, offer = _begin(make_stage, transport, config=SHORT)
    trouble = Trouble(kind, at or len(image))
    _proxy(stage, transport).plan(trouble)
    steps.update(stage, offer)
    _check_resumed(stage, transport, trouble, image)
    _check_updated(stage, image)


@pytest.mark.sample(7)
@pytest.mark.parametrize(("transport", "at", "kind"), _with_kinds(REQUEST))
def test_request(make_stage, transport, at, kind):
    stage, image, offer = _begin(make_stage, transport, Trouble(kind, at, "to_server"), config=SHORT)
    steps.update(stage, offer)
    assert [c.trouble for c in _downloads(stage, transport)] == [kind, ""]
    _check_updated(stage, image)


@pytest.mark.parametrize("transport", ["https", "http"])
def test_one_after_the_other(make_stage, transport):
    """Six bad connections, then a good one: nothing that came is fetched again."""
    troubles = [
        Trouble("refuse"),
        Trouble("cut", 100),
        Trouble("reset", 3000 + 2 * B),
        Trouble("stall", 4000),
        Trouble("trickle", 3000 + 5 * B),
        Trouble("cut", 10, "to_server"),
    ]
    stage, image, offer = _begin(make_stage, transport, *troubles, config=SHORT)
    steps.update(stage, offer)
    assert [c.trouble for c in _downloads(stage, transport)] == [*(trouble.kind for trouble in troubles), ""]
    checks.check_erased_once(stage, "ota_1", len(image))
    _check_updated(stage, image)


@pytest.mark.parametrize("transport", ["https", "http"])
def test_server_goes_and_comes_back(make_stage, transport):
    stage, image, offer = _begin(make_stage, transport, config=PATIENT)
    stage.files.fail(Fault(stall_after=5 * B + 7))
    stage.push(offer)
    steps.wait_written(stage, 5)
    _proxy(stage, transport).down()
    steps.wait_lines(stage, f"download at byte {5 * B}", 2)
    _proxy(stage, transport).up()
    stage.wait_report("UPDATE", steps.PATIENCE_S)
    assert stage.files.requests[-1].range == f"bytes={5 * B}-"
    checks.check_erased_once(stage, "ota_1", len(image))
    _check_updated(stage, image)


@pytest.mark.parametrize("at", [0, 5 * B])
@pytest.mark.parametrize("line", [b"", b"HTTP/1.1 503 Busy\r\n\r\n", b"HTTP/1.1 500\r\n\r\n"])
def test_answer_of_a_middlebox(make_stage, line, at):
    """In front of everything, and when the download is to go on."""
    troubles = [Trouble("cut", at), Trouble("replace", data=line)]
    stage, image, offer = _begin(make_stage, "http", *troubles)
    steps.update(stage, offer)
    assert [c.trouble for c in stage.http_proxy.connections] == ["cut", "replace", ""]
    checks.check_erased_once(stage, "ota_1", len(image))
    _check_updated(stage, image)


@pytest.mark.parametrize("at", [0, 100])
def test_garbage_in_a_plain_head(make_stage, at):
    """No HTTP: that ends the update. The same offer may come again at once."""
    stage, _, offer = _begin(make_stage, "http", Trouble("garbage", at))
    steps.refuse(stage, offer, errors.HTTP_STATUS)
    assert not any(stage.board.wear("ota_1"))
    steps.update(stage, offer)
    assert checks.error_codes(stage) == [errors.HTTP_STATUS]


@pytest.mark.parametrize(
    ("at", "code"), [(0, errors.HEADER_INVALID), *((at, errors.SHA256_ECDSA) for at in (100, 5 * B, 12 * B))]
)
@pytest.mark.parametrize("length", [None, 1], ids=["all", "one byte"])
def test_garbage_in_a_plain_body(make_stage, at, code, length):
    """It is told from the owner's bytes, wherever it is. The next version finds a board in good health."""
    stage, image, offer = _begin(make_stage, "http")
    stage.http_proxy.plan(Trouble("garbage", _head_size(stage, offer) + at, length=length))
    steps.refuse(stage, offer, code)
    assert stage.board.boots == 1
    assert stage.board.slot("ota_1", 64) == b"\xff" * 64
    steps.update(stage, steps.new_offer(stage, "1.0.2", "http")[1])
    assert checks.error_codes(stage) == [code]


def test_garbage_in_a_resumed_plain_body(make_stage):
    """Pieces that do not fit together are fetched once more as a whole."""
    stage, image, offer = _begin(make_stage, "http", Trouble("cut", 5 * B), Trouble("garbage", 2 * B))
    steps.update(stage, offer)
    assert [request.range for request in stage.files.requests] == [None, f"bytes={4 * B}-", None]
    _check_updated(stage, image)


# The broker


@pytest.mark.sample(7)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scheme", "direction", "phase"), LINKS)
def test_getting_online(make_stage, scheme, direction, phase, kind):
    """The second connection is a good one, and the board takes an offer."""
    stage = make_stage(proxies=True, plain_mqtt=scheme == "mqtt", config=IMPATIENT)
    stage.broker_proxy.plan(Trouble(kind, PHASES[scheme][direction][phase], direction))
    steps.online(stage)
    steps.update(stage, steps.new_offer(stage)[1])
    assert [c.trouble for c in stage.broker_proxy.connections][:2] == [kind, ""]
    assert stage.board.boots == 2
    assert checks.error_codes(stage) == []


@pytest.mark.sample(7)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", ["to_client", "to_server"])
@pytest.mark.parametrize("scheme", ["mqtts", "mqtt"])
def test_link_during_a_download(make_stage, scheme, direction, kind):
    """The update goes on: of its broker it needs nothing until the trial."""
    stage = make_stage(proxies=True, plain_mqtt=scheme == "mqtt", config=IMPATIENT | PATIENT)
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    stage.files.fail(Fault(stall_after=5 * B))
    stage.push(offer)
    steps.wait_written(stage, 4)
    link = stage.broker_proxy.connections[-1]
    stage.broker_proxy.strike(Trouble(kind, direction=direction))
    stage.files.release()
    stage.wait_report("UPDATE", steps.PATIENCE_S)
    assert link.trouble == kind
    assert len(stage.files.requests) == 2
    checks.check_erased_once(stage, "ota_1", len(image))
    _check_updated(stage, image)


@pytest.mark.parametrize("kind", ["cut", "reset", "stall"])
@pytest.mark.parametrize("scheme", ["mqtts", "mqtt"])
def test_idle_link(make_stage, scheme, kind):
    """Half-open, as behind a router that has forgotten it, is the worst: nothing comes, nothing fails."""
    stage = make_stage(proxies=True, plain_mqtt=scheme == "mqtt", config=IMPATIENT)
    steps.online(stage)
    stage.broker_proxy.strike(Trouble(kind))
    steps.update(stage, steps.new_offer(stage)[1])
    assert checks.error_codes(stage) == []


@pytest.mark.parametrize("transport", ["https", "http"])
def test_no_room_for_two_connections(make_stage, transport):
    """The broker steps back for the download; what the board then reports is the new version."""
    stage = make_stage()
    stage.board.facts |= {"connections": 1}
    steps.online(stage)
    image, offer = steps.new_offer(stage, transport=transport)
    steps.update(stage, offer)
    assert steps.lines_with(stage, "no room for two connections") == 1
    assert len(stage.files.requests) == 1
    _check_updated(stage, image)


def test_no_room_for_two_connections_and_a_bad_image(make_stage):
    """The broker hears of it once the update is over."""
    stage = make_stage()
    stage.board.facts |= {"connections": 1}
    steps.online(stage)
    _, offer = steps.spoilt_offer(stage)
    steps.refuse(stage, offer, errors.SHA256_ECDSA)
    assert checks.error_codes(stage) == [errors.SHA256_ECDSA]


def _next_start(stage, connections):
    """From the next start on there is memory for so many."""
    facts = stage.board.facts | {"connections": connections}
    (stage.board.folder / "board.json").write_text(json.dumps(facts))


def test_no_room_for_the_broker_is_cured_by_a_restart(make_stage):
    """The heap may only be in pieces: a board must not stay away for that."""
    stage = make_stage(config={"backoff_max_s": 1})
    stage.board.facts |= {"connections": 0}
    stage.board.power_on()
    steps.until(lambda: steps.lines_with(stage, "-2 Out of memory"), "the first failure")
    _next_start(stage, connections=1)
    stage.wait_report("INIT", steps.PATIENCE_S)
    assert steps.lines_with(stage, "no memory to get online") == 1
    assert steps.lines_with(stage, "-2 Out of memory") == 9, "the tenth restarts"


def test_no_room_for_the_broker_on_trial(make_stage):
    """The old image gets its turn, and with the room for it the new one gets another."""
    stage = make_stage(config={"backoff_max_s": 1})
    steps.online(stage)
    offer = steps.new_offer(stage, transport="http")[1]  # by https, its self test would end it first
    _next_start(stage, connections=0)
    since = len(stage.operator.messages)
    stage.push(offer)
    stage.board.wait_for("trial of 1.0.1: no memory to get online")
    _next_start(stage, connections=2)
    stage.wait_report("UPDATE", steps.PATIENCE_S, since)
    assert steps.lines_with(stage, "did not confirm (no memory to get online), trying it again") == 1
    stage.board.wait_for("confirmed 1.0.1")
    assert stage.board.boots == 4


def test_cut_inside_an_offer(make_stage):
    """The broker sends it again; nobody is told that it was malformed."""
    stage = make_stage(proxies=True, plain_mqtt=True)
    steps.online(stage)
    stage.broker_proxy.strike(Trouble("cut", 100))
    steps.update(stage, steps.new_offer(stage)[1])
    assert checks.error_codes(stage) == []


@pytest.mark.parametrize("scheme", ["mqtts", "mqtt"])
def test_broker_goes_and_comes_back(make_stage, scheme):
    stage = make_stage(proxies=True, plain_mqtt=scheme == "mqtt", config=IMPATIENT)
    steps.online(stage)
    stage.broker_proxy.down()
    steps.wait_lines(stage, str(errors.CONNECTION_FAILED), 3)
    stage.push(steps.new_offer(stage)[1])
    stage.broker_proxy.up()
    stage.wait_report("UPDATE", steps.PATIENCE_S)
    assert checks.error_codes(stage) == []
