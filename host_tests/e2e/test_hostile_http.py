"""A file server that lies, floods or trickles: refused in time, and nothing of it gets into the slot."""

from __future__ import annotations

import itertools
import time

import checks
import pytest
import steps
from rawserver import RawServer, old_hello, server_context

from device import errors

OK = b"HTTP/1.1 200 OK\r\n"
END = b"\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"
PIECE = bytes(16384)
WARNING = b"\x15\x03\x03\x00\x02\x01\x5a"  # an alert of TLS that is not an error: "user canceled"


def _length(image, more=0):
    return b"Content-Length: %d\r\n" % (len(image) + more)


def _endless(repeated, *pieces):
    return itertools.chain(pieces, itertools.repeat(repeated))


def _redirect(to):
    return [b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + to + END + END]


# How a path of the server is answered: image -> pieces.
REFUSED = {
    "endless-status-line": lambda image: _endless(b"K" * 1000, b"HTTP/1.1 200 "),
    "endless-headers": lambda image: _endless(b"X-Header: y\r\n" * 100, OK),
    "folded": lambda image: [OK, b"Content-Length:", END, b" %d" % len(image), END, END, image],
    "control-characters": lambda image: [OK, _length(image), b"X: \0\rY: \x1b\r\n", END, image],
    "chunked": lambda image: [OK, b"Transfer-Encoding: chunked\r\n", END, b"%x\r\n" % len(image), image],
    "length-and-chunked": lambda image: [OK, _length(image), b"Transfer-Encoding: chunked\r\n", END, image],
    "compressed": lambda image: [OK, _length(image), b"Content-Encoding: gzip\r\n", END, image],
    "two-lengths": lambda image: [OK, _length(image), _length(image, 1), END, image],
    "negative-length": lambda image: [OK, b"Content-Length: -1\r\n", END, image],
    "huge-length": lambda image: [OK, b"Content-Length: 1" + b"0" * 40 + END, END, image],
    "http-2": lambda image: [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    "redirect-loop": lambda image: _redirect(b"/redirect-loop"),
    "redirect-to-ftp": lambda image: _redirect(b"ftp://127.0.0.1/x"),
    "redirect-with-password": lambda image: _redirect(b"http://user:pw@127.0.0.1/x"),
    "redirect-with-a-space": lambda image: _redirect(b"/a b"),
    "redirect-to-nowhere": lambda image: [b"HTTP/1.1 302 Found\r\n\r\n"],
}
WRONG_SIZE = {
    "announces-more": lambda image: _endless(PIECE, OK, _length(image, 1), END, image),
    "no-length": lambda image: _endless(PIECE, OK, END, image),
}
TAKEN = {
    "goes-on-sending": lambda image: _endless(PIECE, OK, _length(image), END, image),
    "interim-answers": lambda image: [INTERIM * 3, OK, _length(image), END, image],
    "folded-and-unneeded": lambda image: [OK, _length(image), b"X: y\r\n \xff\r\n", END, image],
    "same-length-twice": lambda image: [OK, _length(image), _length(image), END, image],
}


def _answers(image):
    ways = REFUSED | WRONG_SIZE | TAKEN

    def answer(request):
        return ways[request.split(b" ", 2)[1][1:].decode()](image)

    return answer


@pytest.mark.code(errors.HTTP_STATUS, errors.SIZE_MISMATCH)
def test_answers_that_are_refused(make_testbed):
    """One after the other, at once: no limit has to be waited for. Each is told, no byte is written, and then
    a good server is welcome."""
    testbed = make_testbed(config={"http_timeout_s": 3600, "retry_window_s": 3600})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport="http")
    codes = dict.fromkeys(REFUSED, errors.HTTP_STATUS) | dict.fromkeys(WRONG_SIZE, errors.SIZE_MISMATCH)
    with RawServer(_answers(image)) as server:
        for name, code in codes.items():
            steps.refuse(testbed, offer | {"http_url": f"http://127.0.0.1:{server.port}/{name}"}, code)
    paths = [request.split(b" ", 2)[1][1:].decode() for request in server.requests]
    assert paths == [name for name in codes for _ in range(11 if name == "redirect-loop" else 1)]
    assert checks.error_codes(testbed) == list(codes.values())
    assert not any(testbed.board.wear("ota_1"))
    steps.update(testbed, offer)


@pytest.mark.parametrize("name", TAKEN)
def test_answers_that_are_taken(make_testbed, name):
    """Also from a server that never ends: it is left when all of the image is there."""
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport="http")
    with RawServer(_answers(image)) as server:
        steps.update(testbed, offer | {"http_url": f"http://127.0.0.1:{server.port}/{name}"})
        assert len(server.requests) == 1
    assert testbed.board.slot("ota_1", len(image)) == image
    checks.check_erased_once(testbed, "ota_1", len(image))


@pytest.mark.code(errors.TIMEOUT)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_head_that_trickles(make_testbed, scheme):
    """A byte every 0.1 s would take minutes: each try ends after http_timeout_s."""
    testbed = make_testbed(config={"http_timeout_s": 1, "retry_window_s": 2})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport=scheme)

    def trickle(request):
        for byte in OK + b"X-Header: y\r\n" * 300:
            yield bytes([byte])
            time.sleep(0.1)

    context = server_context(testbed.keys, "files") if scheme == "https" else None
    with RawServer(trickle, context) as server:
        started = time.monotonic()
        url = f"{scheme}://localhost:{server.port}/x"
        steps.refuse(testbed, offer | {f"{scheme}_url": url}, errors.TIMEOUT)
        assert time.monotonic() - started >= testbed.configuration()["retry_window_s"]
        assert 2 <= len(server.requests) <= 4
    assert not any(testbed.board.wear("ota_1"))
    checks.check_old_runs(testbed, image)


@pytest.mark.code(errors.HTTP_STATUS)
def test_no_redirect_leads_from_https_to_http(make_testbed):
    """Not even to a server that has the right image, and not by way of another https server."""
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport="both")
    secure = server_context(testbed.keys, "files")
    with (
        RawServer(lambda request: _redirect(offer["http_url"].encode()), secure) as down,
        RawServer(lambda request: _redirect(b"https://127.0.0.1:%d/x" % down.port), secure) as across,
    ):
        steps.refuse(testbed, offer | {"https_url": f"https://localhost:{down.port}/x"}, errors.HTTP_STATUS)
        steps.refuse(testbed, offer | {"https_url": f"https://localhost:{across.port}/x"}, errors.HTTP_STATUS)
        assert (len(down.requests), len(across.requests)) == (2, 1)
    assert not testbed.files.requests
    checks.check_old_runs(testbed, image)


def test_a_flood_below_tls_ends(make_testbed):
    """Warnings without end keep mbedtls from coming back: the one wait of a connection that nothing bounds
    but the watchdog. The next connection tells that the board is there again."""
    answers = iter([itertools.repeat(WARNING * 5000)])
    with RawServer(lambda hello: next(answers, [old_hello()]), until=b"\x16\x03") as server:
        config = {"broker": f"mqtts://localhost:{server.port}", "mqtt_timeout_s": 1, "watchdog_s": 3}
        testbed = make_testbed(config=config)
        testbed.board.power_on()
        testbed.board.wait_for(f"{errors.TLS_REFUSED} TLS refused")
        assert len(server.requests) >= 2 and testbed.board.boots == 2
