"""device.response: heads of answers, good, odd and hostile."""

from check import raises_code, run
from fakestream import CLOSE, STALL, Peer

from device import errors, response

PROVES = {errors.HTTP_STATUS: "test_what_is_not_http"}

OK = b"HTTP/1.1 200 OK\r\n"
END = b"\r\n"


def _head(*pieces, chunk=1000):
    peer = Peer(list(pieces) + [CLOSE], chunk)
    return run(response.read_head(peer))


def _refused(*pieces):
    return raises_code(errors.HTTP_STATUS, _head, *pieces)


def _header(line):
    return _head(OK + line + b"\r\n" + END)


def test_a_full_head():
    found = _head(
        b'HTTP/1.1 206 Partial Content\r\nContent-Length: 5904\r\nETag: "abc"\r\n'
        b"Content-Range: bytes 4096-9999/10000\r\nX-Other: y\r\n\r\n"
    )
    assert (found.status, found.length, found.span) == (206, 5904, (4096, 9999, 10000))
    assert found.etag == '"abc"' and found.location is None and found.is_plain is True


def test_pauses_and_single_bytes_change_nothing():
    whole = OK + b"Content-Length: 7\r\n\r\n"
    script = []
    for index in range(len(whole)):
        script += [STALL, whole[index : index + 1], STALL, STALL]
    pauses = []
    found = run(response.read_head(Peer(script)), pauses.append)
    assert found.status == 200 and found.length == 7
    assert len(pauses) >= len(whole)


def test_not_a_byte_of_the_body_is_taken():
    peer = Peer([OK + b"Content-Length: 4\r\n\r\nbody", CLOSE])
    run(response.read_head(peer))
    assert bytes(peer.script[0]) == b"body"


def test_names_in_any_case_and_bare_line_feeds():
    found = _head(b"HTTP/1.0 200\ncOnTeNt-LENGTH:9\nlocation:  /x \n\n")
    assert (found.status, found.length, found.location) == (200, 9, "/x")


def test_what_is_not_http():
    for line in (
        b"", b"HTTP/1.1", b"HTTP/2 200 OK", b"HTTP/1.1  200", b"http/1.1 200 OK", b"ICY 200 OK",
        b"SSH-2.0-OpenSSH", b"HTTP/1.1 abc", b"HTTP/1.1 099 x", b"HTTP/1.1 600 x", b"HTTP/1.1 -200 x",
        b"HTTP/1.1 2000 x", b"HTTP/1.1 20.0 x", b"<html>", b"\x16\x03\x01\x02", b"HTTP/1.1 \xff\xff",
        b"HTTP/1.2 200 OK", b" HTTP/1.1 200 OK", b"HTTP/1.1 +200 OK",
    ):  # fmt: skip
        _refused(line + b"\r\n" + END)


def test_a_peer_that_hangs_up():
    whole = OK + b"Content-Length: 7\r\n\r\n"
    for length in range(len(whole)):
        raises_code(errors.CONNECTION_FAILED, _head, whole[:length])


def test_lines_and_heads_that_are_too_long():
    assert _header(b"X: " + b"y" * 1900).status == 200
    _refused(OK + b"X: " + b"y" * 2100 + b"\r\n" + END)
    _refused(b"H" * 5000)
    _refused(OK + b"X: y\r\n" * 2000)
    peer = Peer([OK] + [b"X: y\r\n" * 100] * 100)
    raises_code(errors.HTTP_STATUS, run, response.read_head(peer))
    assert peer.taken <= 4096


def test_the_number_of_lines_is_bounded():
    assert _head(OK + b"X: y\r\n" * 62 + END).status == 200
    _refused(OK + b"X: y\r\n" * 63 + END)
    peer = Peer([OK] + [b"a:\n" * 10] * 100)
    raises_code(errors.HTTP_STATUS, run, response.read_head(peer))
    assert peer.taken <= len(OK) + 64 * 3


def test_headers_that_are_none():
    for line in (
        b"no colon", b": no name", b"X: \xff\xfe", b" X: folded", b"\tX: folded", b"X : y", b"X Y: z",
    ):  # fmt: skip
        _refused(OK + line + b"\r\n" + END)
    _refused(OK + b"X: y\r\n more of it\r\n" + END)


def test_control_characters():
    """A CR without LF, too, which another program may take for the end of a line."""
    assert _header(b"X: a\tb").status == 200
    for line in (b"X: a\0b", b"X\0: a", b"X: a\rLocation: b", b"X: a\r", b"X: \x1b[2J", b"X: \x7f"):
        _refused(OK + line + b"\r\n" + END)
    _refused(b"HTTP/1.1 200 O\0K\r\n" + END)
    _refused(OK + b"\r\r\n" + END)


def test_interim_answers_are_skipped_within_the_limits():
    interim = b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLocation: /x\r\n\r\n"
    found = _head(b"HTTP/1.1 100 Continue\r\n\r\n" + interim + OK + b"Content-Length: 7\r\n" + END)
    assert (found.status, found.length, found.location) == (200, 7, None)
    _refused(b"HTTP/1.1 100 Continue\r\n\r\n" * 40)
    assert _head(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK + END).status == 101
    raises_code(errors.CONNECTION_FAILED, _head, interim)


def test_the_preface_of_http_2():
    _refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    _refused(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff\n")


def test_content_lengths():
    for text, length in ((b"0", 0), (b"1", 1), (b" 10000 ", 10000), (b"9999999999", 9999999999)):
        assert _header(b"Content-Length: " + text).length == length
    for text in (b"", b"-1", b"+1", b"1.5", b"1e3", b"0x10", b"1,1", b"1 1", b"12345678901", b"abc"):
        _refused(OK + b"Content-Length: " + text + b"\r\n" + END)


def test_two_content_lengths():
    assert _header(b"Content-Length: 5\r\nContent-Length: 5").length == 5
    _refused(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n" + END)
    _refused(OK + b"Content-Length: 5\r\ncontent-length: 55\r\n" + END)


def test_content_ranges():
    assert _header(b"Content-Range: bytes 0-9/10").span == (0, 9, 10)
    assert _header(b"Content-Range: Bytes 5-8/10").span == (5, 8, 10)
    assert _header(b"X: y").span is None
    for text in (
        b"bytes 0-9/*", b"bytes */10", b"bytes -9/10", b"0-9/10",
        b"bytes 0-9", b"bytes=0-9/10", b"items 0-9/10", b"bytes 0 - 9/10", b"bytes a-9/10", b"",
        b"bytes 0-9/10/10", b"bytes 0-9/-10",
    ):  # fmt: skip
        assert _header(b"Content-Range: " + text).span == (), text


def test_retry_after():
    for text, seconds in ((b"0", 0), (b"120", 120), (b"-5", 0), (b"Wed, 21 Oct 2026 07:28:00 GMT", 0)):
        assert _header(b"Retry-After: " + text).retry_after == seconds, text
    assert _header(b"X: y").retry_after == 0


def test_bodies_that_are_not_plain():
    for line in (
        b"Transfer-Encoding: chunked", b"transfer-encoding: gzip, chunked", b"Content-Encoding: gzip",
        b"Content-Encoding: br", b"Transfer-Encoding: identity",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    ):  # fmt: skip
        assert _header(line).is_plain is False, line
    assert _header(b"Content-Encoding: identity").is_plain is True


def test_only_strong_etags_count():
    assert _header(b'ETag: "a-1"').etag == '"a-1"'
    for text in (b'W/"a"', b"a", b'"', b"", b'"a b"', b'"' + b"a" * 200 + b'"', b'"\xc3\xa4"'):
        assert _header(b"ETag: " + text).etag is None, text


def test_an_etag_cannot_carry_a_header():
    _refused(OK + b'ETag: "a\rRange: bytes=0-"\r\n' + END)
