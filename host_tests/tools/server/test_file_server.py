"""The file server: whole files and parts of them, only its own, and each fault that a test plans."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pace
import pytest

from tools.errors import ToolError
from tools.server import files
from tools.server.files import Fault, FileServer

CONTENT = bytes(range(256)) * 400
WAIT_S = pace.HANG_S
NOTHING_S = 0.5


@pytest.fixture
def file_server(keys: Path, tmp_path: Path) -> Iterator[FileServer]:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "fw.img").write_bytes(CONTENT)
    (tmp_path / "secret").write_text("secret")
    with FileServer(tmp_path / "www", keys) as server:
        yield server


class Answer:
    """One HTTP answer, and whether the body came whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        try:
            self.body, self.whole = response.read(), True
        except http.client.IncompleteRead as error:
            self.body, self.whole = error.partial, False


def _get(
    server: FileServer, headers: dict | None = None, path: str = "/fw.img", method: str = "GET"
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=WAIT_S)
    connection.request(method, path, headers=headers or {})
    try:
        return Answer(connection.getresponse())
    finally:
        connection.close()


def test_files_whole_by_http_and_https(file_server: FileServer, keys: Path) -> None:
    answer = _get(file_server)
    assert (answer.status, answer.body) == (200, CONTENT)
    context = ssl.create_default_context(cafile=str(keys / "file-ca.crt.pem"))
    connection = http.client.HTTPSConnection(
        "localhost", file_server.https_port, timeout=WAIT_S, context=context
    )
    connection.request("GET", "/fw.img")
    assert connection.getresponse().read() == CONTENT
    connection.close()
    assert [request.scheme for request in file_server.requests] == ["http", "https"]


def test_https_is_refused_by_who_trusts_another_ca(file_server: FileServer, keys: Path) -> None:
    context = ssl.create_default_context(cafile=str(keys / "broker-ca.crt.pem"))
    connection = http.client.HTTPSConnection("localhost", file_server.https_port, context=context)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/fw.img")


@pytest.mark.parametrize(
    ("range_", "status", "start", "end"),
    [
        ("bytes=0-", 206, 0, None),
        ("bytes=4096-", 206, 4096, None),
        ("bytes=10-19", 206, 10, 20),
        ("bytes=10-999999", 206, 10, None),
        ("bytes=-5", 206, len(CONTENT) - 5, None),
        (f"bytes={len(CONTENT) - 1}-", 206, len(CONTENT) - 1, None),
        ("bytes=0-1,5-6", 200, 0, None),
        ("lines=1-2", 200, 0, None),
    ],
)
def test_ranges(file_server: FileServer, range_: str, status: int, start: int, end: int | None) -> None:
    answer = _get(file_server, {"Range": range_})
    assert (answer.status, answer.body) == (status, CONTENT[start:end])
    last = start + len(answer.body) - 1
    expected = f"bytes {start}-{last}/{len(CONTENT)}" if status == 206 else None
    assert answer.headers["Content-Range"] == expected
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    entry = file_server.requests[0]
    assert (entry.range, entry.status, entry.sent) == (range_, status, len(answer.body))


def test_a_range_past_the_end(file_server: FileServer) -> None:
    answer = _get(file_server, {"Range": f"bytes={len(CONTENT)}-"})
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


def test_if_range_continues_only_the_same_file(file_server: FileServer) -> None:
    tag = _get(file_server).headers["ETag"]
    assert tag.startswith('"') and tag == files.etag(CONTENT)
    resume = {"Range": "bytes=100-", "If-Range": tag}
    assert _get(file_server, resume).status == 206
    (file_server.folder / "fw.img").write_bytes(CONTENT[::-1])
    answer = _get(file_server, resume)
    assert (answer.status, answer.body) == (200, CONTENT[::-1])
    assert answer.headers["ETag"] != tag
    assert _get(file_server, {**resume, "If-Range": f"W/{tag}"}).status == 200


def test_head_has_the_headers_only(file_server: FileServer) -> None:
    answer = _get(file_server, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["Content-Length"]) == len(CONTENT)
    assert file_server.requests[0].sent == 0


@pytest.mark.parametrize("path", ["/", "/none", "/../secret", "/..%2Fsecret", "/sub/fw.img"])
def test_only_files_of_the_folder(file_server: FileServer, path: str) -> None:
    assert _get(file_server, path=path).status == 404


@pytest.mark.parametrize("cut", [0, 1, 4096, 20000, len(CONTENT) - 1])
def test_cut_after_so_many_bytes(file_server: FileServer, cut: int) -> None:
    file_server.fail(Fault(cut_after=cut, times=2))
    for _ in range(2):
        answer = _get(file_server)
        assert (answer.whole, answer.body) == (False, CONTENT[:cut])
        assert int(answer.headers["Content-Length"]) == len(CONTENT)
    assert _get(file_server).body == CONTENT
    assert [entry.sent for entry in file_server.requests] == [cut, cut, len(CONTENT)]


def test_cut_by_reset(file_server: FileServer) -> None:
    file_server.fail(Fault(cut_after=5000, reset=True))
    with pytest.raises(ConnectionResetError):
        _get(file_server)


def test_cut_of_a_tls_stream(file_server: FileServer, keys: Path) -> None:
    file_server.fail(Fault(cut_after=70000))
    context = ssl.create_default_context(cafile=str(keys / "file-ca.crt.pem"))
    connection = http.client.HTTPSConnection(
        "localhost", file_server.https_port, timeout=WAIT_S, context=context
    )
    connection.request("GET", "/fw.img")
    answer = Answer(connection.getresponse())
    assert (answer.whole, answer.body) == (False, CONTENT[:70000])
    connection.close()


def test_stall_keeps_the_connection(file_server: FileServer) -> None:
    file_server.fail(Fault(stall_after=1000))
    with socket.create_connection(("127.0.0.1", file_server.http_port), timeout=WAIT_S) as sock:
        sock.sendall(b"GET /fw.img HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while len(received.partition(b"\r\n\r\n")[2]) < 1000:
            received += sock.recv(4096)
        assert received.partition(b"\r\n\r\n")[2] == CONTENT[:1000]
        sock.settimeout(NOTHING_S)
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_a_server_with_a_stalled_client_still_stops(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "fw.img").write_bytes(CONTENT)
    with FileServer(tmp_path, keys) as server:
        server.fail(Fault(stall_after=10))
        sock = socket.create_connection(("127.0.0.1", server.http_port), timeout=WAIT_S)
        sock.sendall(b"GET /fw.img HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.recv(100)
    sock.close()  # its end would raise if it waited for this client


def test_status_so_many_times_then_the_next_fault(file_server: FileServer) -> None:
    file_server.fail(Fault(status=503, headers={"Retry-After": "1"}, times=2))
    file_server.fail(Fault(ignore_range=True, times=None))
    answers = [_get(file_server, {"Range": "bytes=5-"}) for _ in range(4)]
    assert [answer.status for answer in answers] == [503, 503, 200, 200]
    assert answers[0].headers["Retry-After"] == "1" and answers[2].body == CONTENT
    file_server.heal()
    assert _get(file_server, {"Range": "bytes=5-"}).status == 206


def test_a_taken_port_is_a_tool_error(keys: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ToolError, match="cannot listen"),
            FileServer(tmp_path, keys, https_port=port),
        ):
            pass
