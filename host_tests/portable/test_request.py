"""device.download: the request to the letter, and where in the image it begins after a reboot."""

from check import patched, raises_code
from fakeagent import FakeAgent
from fakestream import FakeStream, Peer
from makeoffer import offer
from nor import Nor

from device import board, download, errors, strict
from device.update import Transfer


def test_request_to_the_letter():
    assert _get("https://files/fw.bin") == (
        b"GET /fw.bin HTTP/1.1\r\nHost: files\r\nUser-Agent: micropython-ota\r\n"
        b"Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
    assert _get("http://10.0.0.7:8443/a?b", 4096, b"h" * 64) == (
        b"GET /a?b HTTP/1.1\r\nHost: 10.0.0.7:8443\r\nUser-Agent: micropython-ota\r\n"
        b'Accept-Encoding: identity\r\nRange: bytes=4096-\r\nIf-Range: "a"\r\n'
        b"Connection: close\r\n\r\n"
    )
    for url, line in (
        ("http://h", b"GET / "), ("http://h?x=/y", b"GET /?x=/y "), ("http://h/#y", b"GET / "),
    ):  # fmt: skip
        assert _get(url).startswith(line + b"HTTP/1.1\r\nHost: h\r\n")
    assert b"Host: h:443\r\n" in _get("http://h:443/") and b"If-Range" not in _get("http://h/")


def _get(url, position=0, head=None):
    return _sent(position, head, strict.split_url(url, url.split(":")[0]))[0]


def test_a_long_url_goes_out_whole_and_a_short_request_in_one():
    for length in (1, 254, 255, 256, 257, 511, 512, 513, 1300, 4000):
        for first in ("/", "?"):
            path = first + "x" * (length - 1)
            line = b"GET /" + path.encode() if first == "?" else b"GET " + path.encode()
            assert _get("http://h" + path).startswith(line + b" HTTP/1.1\r\n"), length
    writes = []

    def write(data):
        writes.append(len(data))
        return len(data)

    for length, count in ((100, 1), (1300, 6)):
        del writes[:]
        transfer = _transfer()
        transfer.address = strict.split_url("https://h/" + "x" * length, "https")
        transfer.stream = FakeStream(Peer())
        with patched(transfer.stream, "write", write):
            download.send(transfer)
        assert len(writes) == count and max(writes) <= 512


def test_spans():
    for first, last, size, text in (
        (0, 99, 100, ""), (0, 63, 100, "bytes=0-63"), (64, 99, 100, "bytes=64-"), (5, 8, 100, "bytes=5-8"),
    ):  # fmt: skip
        assert download.span(first, last, size) == text


def _sent(position, head=None, address=None, **changes):
    """A request for what is missing from this byte on: (what the server got, the transfer)"""
    transfer = _transfer(**changes)
    transfer.position, transfer.head, transfer.etag = position, head, '"a"' if position else None
    transfer.address = address or transfer.address
    peer = Peer()
    transfer.stream = FakeStream(peer)
    transfer.stream.limit(1000)
    download.send(transfer)
    return peer.sent, transfer


def _transfer(**changes):
    agent = FakeAgent()
    agent.offer = offer(size=10000, **changes)
    return Transfer(agent)


def test_what_is_asked_for():
    for position, head, asked, wanted in (
        (0, None, (0, 9999), ""), (4096, None, (0, 63), "bytes=0-63"),
        (4096, b"h" * 64, (4096, 9999), "bytes=4096-"),
    ):  # fmt: skip
        sent, transfer = _sent(position, head)
        assert transfer.asked == asked
        etag = '"a"' if position else None
        ending = download.ending("https", "files", 8443, wanted, etag)
        assert sent == ("GET /fw.bin" + ending).encode()


def test_it_goes_to_the_server_that_is_asked():
    sent, _ = _sent(0, None, strict.split_url("http://other/x", "http"))
    assert sent.startswith(b"GET /x HTTP/1.1\r\nHost: other\r\n")


def test_a_transfer_before_anything_has_happened():
    """Whatever the one before has left."""
    transfer = _transfer()
    transfer.position = transfer.restarts = transfer.granted_ms = transfer.redirects = transfer.furthest = 7
    transfer.address = strict.split_url("http://other/x", "http")
    transfer.was_refused = transfer.was_repeated = transfer.is_spliced = transfer.has_block = True
    download.clear(transfer)
    assert transfer.position == transfer.restarts == transfer.granted_ms == transfer.redirects == 0
    assert transfer.furthest == 0
    assert transfer.address == transfer.offer.address and transfer.retry_after is None
    assert True not in (transfer.was_refused, transfer.was_repeated, transfer.is_spliced, transfer.has_block)


def _prepared(position, size=10000, flash=None):
    transfer = _transfer()
    transfer.offer = transfer.agent.offer = offer(size=size)
    download.Journal(transfer.offer).save(position, '"a"' if position else None)
    transfer.position, transfer.etag = download.find(transfer.offer)
    with patched(board, "spare", lambda: flash or Nor(3)), patched(board, "chip", lambda: 5):
        download.prepare(transfer)
    assert transfer.chip == 5
    return transfer


def test_a_download_goes_on_only_at_a_whole_block_of_the_image():
    for position in (4096, 8192):
        transfer = _prepared(position)
        assert (transfer.position, transfer.etag, transfer.is_spliced) == (position, '"a"', True)
    for position in (0, 1, 4095, 10000, 12288):
        transfer = _prepared(position)
        assert (transfer.position, transfer.etag, transfer.is_spliced) == (0, None, False)
        assert download.find(transfer.offer) == (0, None)


def test_a_head_that_was_being_written_is_taken_out():
    for is_written in (False, True):
        nor = Nor(3)
        nor.data[:64] = b"\xff" * 63 + (b"\x5a" if is_written else b"\xff")
        _prepared(4096, flash=nor)
        assert bytes(nor.data[:65]) == b"\xff" * 64 + b"\x5a" and nor.erases == [is_written, 0, 0]


def test_an_image_larger_than_the_slot():
    _prepared(0, 3 * 4096)
    nor = Nor(3)
    raises_code(errors.FW_OVERFLOW, _prepared, 0, 3 * 4096 + 1, nor)
    assert nor.operations == 0
