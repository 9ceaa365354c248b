"""File hosts as they are in the world: a release page that redirects, a store with presigned URLs, a plain
web server without Range; and the list of those that a board may ask."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import subprocess
import sys
import time

import checks
import pace
import pytest
import steps
from rawserver import RawServer, server_context

from device import errors
from tools.testbed.proxy import FaultProxy
from tools.testbed.relay import Trouble

END = b"\r\n\r\n"
POLICY = b"content-security-policy: default-src 'none'; connect-src 'self'" + b" uploads.example" * 220
PAGE = b"HTTP/1.1 302 Found\r\nserver: pages\r\n" + POLICY + b"\r\ncontent-length: 0\r\nvary: X-PJAX\r\n"
PRESIGNED = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20261129%2Feu-1%2Fs3%2Faws4_request"
STORE = (
    b"HTTP/1.1 200 OK\r\nx-amz-id-2: 7Gx/Qm+4=\r\nx-amz-request-id: 4442587FB7D0A2F9\r\n"
    b"x-amz-meta-owner: Ren\xe9\r\nx-amz-meta-note: \xe4\xb8\x8b\tlamp\r\n"
    b"Content-Encoding: \r\nContent-Encoding: aws-chunked\r\n"
    b"Accept-Ranges: bytes\r\nServer: AmazonS3\r\nConnection: close\r\n"
)  # fmt: skip


def _presigned(length: int) -> str:
    """The query of a presigned URL, so many characters long."""
    text = PRESIGNED + "&X-Amz-Date=20261129T000000Z&X-Amz-Expires=604800&X-Amz-Security-Token="
    end = "&X-Amz-Signature=" + "0f" * 32
    return text + "Ab%2F" * ((length - len(text) - len(end)) // 5) + end


def _path(request: bytes) -> str:
    return request.split(b" ", 2)[1].decode()


def _stored(image: bytes):
    """An answer of the store: all of it, or what Range says."""

    def answer(request: bytes) -> list[bytes]:
        match = re.search(rb"\r\nRange: bytes=(\d+)-(\d*)\r\n", request)
        tag = b'ETag: "9b2cf535f27731c974343645a3985328"\r\n'
        if not match:
            return [STORE + tag + b"Content-Length: %d" % len(image) + END, image]
        first, last = int(match[1]), int(match[2] or len(image) - 1)
        span = b"Content-Range: bytes %d-%d/%d\r\n" % (first, last, len(image))
        head = STORE.replace(b"200 OK", b"206 Partial Content") + span  # without a tag
        return [head + b"Content-Length: %d" % (last + 1 - first) + END, image[first : last + 1]]

    return answer


def test_a_release_page_that_redirects(make_testbed):
    """By way of three hosts, absolute, without a scheme, relative; each head is longer than 3.6 KB. Those
    hosts alone are allowed."""
    testbed = make_testbed(config={"file_hosts": ["localhost", "127.0.0.1"]})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    secure = server_context(testbed.keys, "files")
    query = _presigned(1300)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(RawServer(_stored(image), secure))
        places = {
            "/o/lamp/releases/latest/lamp.img": "../download/v1.0.1/./lamp.img",
            "/o/lamp/releases/download/v1.0.1/lamp.img": f"HTTPS://127.0.0.1:{store.port}/hop?x=1#y",
        }
        page = stack.enter_context(
            RawServer(lambda request: [PAGE + f"location: {places[_path(request)]}".encode() + END], secure)
        )
        store._answer = _first_redirects(f"//localhost:{store.port}/lamp.img{query}", _stored(image))
        url = f"https://localhost:{page.port}/o/lamp/releases/latest/lamp.img"
        steps.update(testbed, offer | {"https_url": url})
        assert [_path(request) for request in page.requests] == list(places)
        assert [_path(request) for request in store.requests] == ["/hop?x=1", "/lamp.img" + query]
    assert testbed.board.slot("ota_1", len(image)) == image


def _first_redirects(place: str, answer):
    count = itertools.count()
    return lambda request: answer(request) if next(count) else [PAGE + b"location: " + place.encode() + END]


@pytest.mark.code(errors.BAD_MESSAGE)
@pytest.mark.parametrize("length", [1300, 1900])
def test_a_presigned_url_that_waits(make_testbed, length):
    """It is there again after a power cut while it waits, one in the download, and the update; with no more
    heap than others have."""
    testbed = make_testbed(heap_kib=160, config={"http_timeout_s": 3600, "checkpoint_kib": 4})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    start_at = int(time.time()) + pace.seconds(2)
    secure = server_context(testbed.keys, "files")
    with RawServer(_stored(image), secure) as store, FaultProxy(store.port) as proxy:
        path = "/lamp.img" + _presigned(length)
        offer |= {"https_url": f"https://localhost:{proxy.port}{path}", "upgrade_delay": start_at}
        steps.refuse(testbed, offer | {"https_url": offer["https_url"] + "a" * 800}, errors.BAD_MESSAGE)
        testbed.push(offer)
        testbed.board.wait_for("update waits until")
        testbed.push(offer)
        testbed.board.wait_for("offer of 1.0.1 is known")
        assert not store.requests
        proxy.plan(Trouble("stall", at_byte=30000))
        testbed.board.cut_power()
        testbed.board.power_on()
        steps.wait_written(testbed, 4)
        testbed.board.cut_power()
        since = len(testbed.operator.messages)
        testbed.board.power_on()
        testbed.wait_report("UPDATE", steps.PATIENCE_S, since)
        assert {_path(request) for request in store.requests} == {path}
        assert b"Range: bytes=0-63" in store.requests[1] and b"If-Range" in store.requests[2]
    assert testbed.board.slot("ota_1", len(image)) == image


@contextlib.contextmanager
def _plain_server(folder):
    """`python -m http.server`: HTTP/1.0, no Range, no ETag. Gives its port."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        yield int(re.search(r"port (\d+)", process.stdout.readline())[1])
    finally:
        process.kill()
        process.wait()


def test_a_web_server_without_range_and_a_link_that_is_cut(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport="http")
    with _plain_server(testbed.images) as port, FaultProxy(port) as proxy:
        proxy.plan(Trouble("cut", at_byte=20000, times=4))
        steps.update(testbed, offer | {"http_url": f"http://127.0.0.1:{proxy.port}/firmware-1.0.1.img"})
        assert len(proxy.connections) == 5
    assert testbed.board.slot("ota_1", len(image)) == image
    assert checks.error_codes(testbed) == []


@pytest.mark.code(errors.CONNECTION_FAILED)
def test_a_link_that_is_always_cut(make_testbed):
    """No fault of the image: the same offer is welcome at once."""
    testbed = make_testbed(config={"retry_window_s": 4})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport="http")
    with _plain_server(testbed.images) as port, FaultProxy(port) as proxy:
        offer |= {"http_url": f"http://127.0.0.1:{proxy.port}/firmware-1.0.1.img"}
        proxy.plan(Trouble("cut", at_byte=20000, times=None))
        steps.refuse(testbed, offer, errors.CONNECTION_FAILED)
        assert len(proxy.connections) > 2 and max(testbed.board.wear("ota_1")) <= 16
    with _plain_server(testbed.images) as port:
        steps.update(testbed, offer | {"http_url": f"http://127.0.0.1:{port}/firmware-1.0.1.img"})
    assert checks.error_codes(testbed) == [errors.CONNECTION_FAILED]
    assert testbed.board.slot("ota_1", len(image)) == image


@pytest.mark.code(errors.BAD_MESSAGE, errors.HTTP_STATUS)
def test_hosts_that_are_not_allowed_are_not_asked(make_testbed):
    """Neither by an offer nor by a redirect: not so much as a connection."""
    testbed = make_testbed(config={"file_hosts": ["localhost"]})
    steps.online(testbed)
    _, offer = steps.new_offer(testbed, transport="http")
    with (
        RawServer(lambda request: []) as other,
        RawServer(lambda request: [PAGE + b"Location: //127.0.0.1:%d/x" % other.port + END]) as own,
    ):
        steps.refuse(testbed, offer | {"http_url": f"http://127.0.0.1:{other.port}/x"}, errors.BAD_MESSAGE)
        steps.refuse(testbed, offer | {"http_url": f"http://localhost:{own.port}/x"}, errors.HTTP_STATUS)
        assert (len(own.requests), other.connections) == (1, 0)
    fields = [message.data["field"] for message in testbed.operator.messages if "errorCode" in message.data]
    assert fields == ["http_url", "Location"]
    testbed.board.wait_for("redirect refused, Location: 127.0.0.1 is not in file_hosts")
    url = f"http://localhost:{testbed.files.http_port}/firmware-1.0.1.img"
    steps.update(testbed, offer | {"http_url": url})
