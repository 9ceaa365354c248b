"""Connections of a download cut, reset, stalled, slowed down or garbled, at each stage of their life.

The board ends up updated, or told what it was; it never stays away. Byte positions are of the TCP stream.
"""

from __future__ import annotations

import urllib.request

import checks
import pytest
import steps
from networkfaults import KINDS, PATIENT, check_updated

from device import errors
from tools.server.files import Fault
from tools.simboard.board import BLOCK as B
from tools.testbed.proxy import Trouble

SHORT = {"http_timeout_s": 1}  # where a test has to sit one out

# What of a download is lost at most with its connection: a block, what stands before the body and,
# over TLS, a record.
LOST = {"http": B + 300, "https": B + 16384 + 2000}

# Bytes to the client: handshake, head, body, last block; None = as many as the image has.
ANSWER = {"https": [60, 2000, 30000, None], "http": [100, 2 * B + 300, None]}
REQUEST = {"https": [60, 400], "http": [60]}


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


@pytest.mark.sample(7)
@pytest.mark.parametrize(("transport", "at", "kind"), _with_kinds(ANSWER))
def test_answer(make_testbed, transport, at, kind):
    testbed, image, offer = _begin(make_testbed, transport, config=SHORT)
    trouble = Trouble(kind, at or len(image))
    _proxy(testbed, transport).plan(trouble)
    steps.update(testbed, offer)
    _check_resumed(testbed, transport, trouble, image)
    check_updated(testbed, image)


@pytest.mark.sample(7)
@pytest.mark.parametrize(("transport", "at", "kind"), _with_kinds(REQUEST))
def test_request(make_testbed, transport, at, kind):
    testbed, image, offer = _begin(make_testbed, transport, Trouble(kind, at, "to_server"), config=SHORT)
    steps.update(testbed, offer)
    assert [c.trouble for c in _downloads(testbed, transport)] == [kind, ""]
    check_updated(testbed, image)


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
    check_updated(testbed, image)


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
    check_updated(testbed, image)


@pytest.mark.parametrize("at", [0, 5 * B])
@pytest.mark.parametrize("line", [b"", b"HTTP/1.1 503 Busy\r\n\r\n", b"HTTP/1.1 500\r\n\r\n"])
def test_answer_of_a_middlebox(make_testbed, line, at):
    """In front of everything, and when the download is to go on."""
    troubles = [Trouble("cut", at), Trouble("replace", data=line)]
    testbed, image, offer = _begin(make_testbed, "http", *troubles)
    steps.update(testbed, offer)
    assert [c.trouble for c in testbed.http_proxy.connections] == ["cut", "replace", ""]
    checks.check_erased_once(testbed, "ota_1", len(image))
    check_updated(testbed, image)


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
    check_updated(testbed, image)
