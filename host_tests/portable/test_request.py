"""device.request: the request to the letter, over a connection to where the answer is to come from."""

from check import patched, raises_code, run
from fakeagent import FakeAgent
from fakestream import FakeStream, Peer
from makeoffer import offer

from device import connection, errors, request
from device.update import Transfer


def test_request_to_the_letter():
    assert request.request("https", "files", 443, "/fw.bin", "", '"tag"') == (
        b"GET /fw.bin HTTP/1.1\r\nHost: files\r\nUser-Agent: micropython-ota\r\n"
        b"Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
    assert request.request("http", "10.0.0.7", 8443, "/a?b", "bytes=4096-", '"tag"') == (
        b"GET /a?b HTTP/1.1\r\nHost: 10.0.0.7:8443\r\nUser-Agent: micropython-ota\r\n"
        b'Accept-Encoding: identity\r\nRange: bytes=4096-\r\nIf-Range: "tag"\r\n'
        b"Connection: close\r\n\r\n"
    )
    assert b"If-Range" not in request.request("http", "h", 80, "/", "bytes=4096-", None)
    assert b"Host: h:443\r\n" in request.request("http", "h", 443, "/", "", None)


def test_spans():
    for first, last, size, text in (
        (0, 99, 100, ""), (0, 63, 100, "bytes=0-63"), (64, 99, 100, "bytes=64-"), (5, 8, 100, "bytes=5-8"),
    ):  # fmt: skip
        assert request.span(first, last, size) == text


class _Server:
    """connected: (host, port, context, timeout in ms) of each connection; sent: what it got."""

    def __init__(self):
        self.connected = []
        self._peer = Peer()

    def connect(self, *arguments):
        self.connected.append(arguments)
        stream = FakeStream(self._peer)
        stream.limit(1000)
        return stream

    @property
    def sent(self):
        return self._peer.sent


def _sent(position, head=None, context="made", address=None, **changes):
    """A request for what is missing from this byte on: (the server, the transfer)"""
    agent = FakeAgent(http_timeout_s=5)
    agent.offer = offer(size=10000, **changes)
    transfer = Transfer(agent)
    transfer.position, transfer.head, transfer.etag = position, head, '"a"' if position else None
    transfer.context = context
    transfer.address = address or transfer.address
    server = _Server()
    with patched(connection, "connect", server.connect):
        with patched(connection, "file_context", lambda config: "new"):
            run(request.send(transfer))
    return server, transfer


def test_what_is_asked_for():
    for position, head, asked, wanted in (
        (0, None, (0, 9999), ""), (4096, None, (0, 63), "bytes=0-63"),
        (4096, b"h" * 64, (4096, 9999), "bytes=4096-"),
    ):  # fmt: skip
        server, transfer = _sent(position, head)
        assert transfer.asked == asked
        etag = '"a"' if position else None
        assert server.sent == request.request("https", "files", 8443, "/fw.bin", wanted, etag)


def test_tls_only_where_it_is_asked_for():
    server, _ = _sent(0)
    assert server.connected == [("files", 8443, "made", 5000)]
    server, _ = _sent(0, None, None)
    assert server.connected == [("files", 8443, "new", 5000)]
    server, transfer = _sent(0, None, None, ("http", "other", 80, "/x"))
    assert server.connected == [("other", 80, None, 5000)] and transfer.context is None
    assert server.sent.startswith(b"GET /x HTTP/1.1\r\nHost: other\r\n")


def test_what_an_answer_said_before_is_over():
    agent = FakeAgent()
    agent.offer = offer()
    transfer = Transfer(agent)
    transfer.retry_after = 5

    def refused(*_):
        raise errors.OtaError(errors.TIMEOUT)

    with patched(connection, "connect", refused), patched(connection, "file_context", lambda _: None):
        raises_code(errors.TIMEOUT, run, request.send(transfer))
    assert transfer.retry_after is None and transfer.stream is None
