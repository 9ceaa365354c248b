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
    assert found.etag == '"abc"' and found.location is None and found.coding is None


def test_pauses_and_single_bytes_change_nothing():
    whole = OK + b"Content-Length: 7\r\n\r\n"
    script = []
    for index in range(len(whole)):
        script += [STALL, whole[index : index + 1], STALL, STALL]
    pauses = []
    found = run(response.read_head(Peer(script)), pauses.append)
    assert found.status == 200 and found.length == 7
    assert len(pauses) >= len(whole)


def test_a_long_head_is_read_in_steps():
    """An ESP32 takes a moment for each byte: other work goes on meanwhile."""
    pauses = []
    run(response.read_head(Peer([OK + b"X: "] + [b"y" * 500] * 8 + [END, END])), pauses.append)
    assert len(pauses) == 4000 // 256


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


def test_what_nobody_needs_may_be_anything():
    """But for control characters. Latin-1, UTF-8, noise; folded, without a name that is one."""
    for line in (
        b"Content-Security-Policy: " + b"default-src 'none'; " * 180, b"X: " + b"y" * 3600, b"X" * 900 + b":",
        b"X:", b"X: \xe9\xff", b"X: " + "\u4e0b".encode(), b"\xc3\xa4: y", b"X: \ta\tb", b"X : y", b"X Y: z",
        b"X: y\r\n more of it", b"X: y\r\n\tmore\r\n Content-Length: 9", b"X: y\r\n ", b"X: ::a:b",
        b"X-Location: /x", b"Location-X: /x", b"Content-Length-: 9", b"X: y\r\n" * 200 + b"X: y",
        b"ETags: \"b\"", b"Content-Length\xe4: 9", b"Content-Length : 9",
        b"Location" + b" " * 30 + b"x: /",
    ):  # fmt: skip
        found = _head(OK + b"Content-Length: 7\r\n" + line + b'\r\nETag: "a"\r\n' + END)
        assert (found.length, found.etag, found.location) == (7, '"a"', None), line[:20]


def test_a_head_is_bounded_and_little_of_it_is_kept():
    line = [b"X: ", b"y" * 497, b"\r\n"]  # in pieces, because a Peer copies what is left of one
    assert _head(OK, *(line * 32 + [END])).status == 200
    for endless in (line * 33, [b"H" * 500] * 40, [b"X: y\r\n" * 50] * 60, [b":" * 500] * 40):
        peer = Peer([OK] + endless + [CLOSE])
        raises_code(errors.HTTP_STATUS, run, response.read_head(peer))
        assert peer.taken <= 16384
    assert _head(b"HTTP/1.1 200 ", *([b"O" * 500] * 20 + [END, END])).status == 200


def test_a_value_that_is_too_long():
    assert _head(OK + b"Location: /", *([b"x" * 500] * 8 + [END, END])).location == "/" + "x" * 4000
    for name in (b"Location", b"Content-Length", b"ETAG", b"content-encoding"):
        peer = Peer([OK + name + b": "] + [b"1" * 500] * 20)
        error = raises_code(errors.HTTP_STATUS, run, response.read_head(peer))
        assert peer.taken < 4200 and error.detail.lower() == name.decode().lower() + ": too long"


def test_headers_that_are_none():
    for line in (b"no colon", b": no name", b" X: folded", b"\tX: folded", b"n" * 50):
        _refused(OK + line + b"\r\n" + END)


def test_what_is_needed_must_not_be_folded():
    for line in (b"Content-Length: 7\r\n 8", b"Location:\r\n /a", b"Location: /a\r\n\tb", b'Etag: "a"\r\n b'):
        error = _refused(OK + line + b"\r\n" + END)
        assert error.detail == line.split(b":")[0].decode() + ": folded"
        assert error.facts == (("field", line.split(b":")[0].decode()),)


def test_an_address_that_is_not_ascii():
    for raw, text in (
        (b"/\xe9?\xff", "/%E9?%FF"), ("/\u4e0b".encode(), "/%E4%B8%8B"), (b"/a%20b", "/a%20b"),
    ):  # fmt: skip
        assert _header(b"Location: " + raw).location == text


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
    assert _head(b"HTTP/1.1 100 Continue\r\n\r\n" * 40 + OK + END).status == 200
    _refused(*[b"HTTP/1.1 100 Continue\r\n\r\n" * 20] * 40)
    assert _head(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK + END).status == 101
    raises_code(errors.CONNECTION_FAILED, _head, interim)


def test_the_preface_of_http_2():
    _refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    _refused(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff\n")


def test_content_lengths():
    for text, length in (
        (b"0", 0), (b"1", 1), (b" 10000 ", 10000), (b"9999999999", 9999999999), (b"5\t ", 5), (b"5, 5", 5),
        (b"5,5 , 05", 5),
    ):  # fmt: skip
        assert _header(b"Content-Length: " + text).length == length
    for text in (b"", b"-1", b"+1", b"1.5", b"1e3", b"0x10", b"1,2", b"1 1", b"12345678901", b"abc", b"1,",
                 b",", b"1,1,2", b"\xb2", b"5\xa0", "\u0665".encode()):  # fmt: skip
        error = _refused(OK + b"Content-Length: " + text + b"\r\n" + END)
        assert error.detail.startswith("Content-Length: ") and len(error.detail) < 40


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
    for line, text in (
        (b"Transfer-Encoding: chunked", "chunked"), (b"transfer-encoding: gzip, chunked", "gzip, chunked"),
        (b"Content-Encoding: gzip", "gzip"), (b"Content-Encoding: br", "br"), (b"Transfer-Encoding:", ""),
        (b"Transfer-Encoding: identity", "identity"),
        (b"content-encoding: aws-chunked,gzip", "aws-chunked,gzip"),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", "chunked"),
        (b"Content-Encoding: gzip\r\nContent-Encoding: identity", "gzip"),
    ):  # fmt: skip
        assert _header(line).coding == (line.split(b"\r\n")[-1].split(b":")[0].decode().lower(), text), line
    for value in (b"", b" ", b"identity", b"Identity", b"aws-chunked", b"aws-chunked,", b"AWS-chunked,"):
        assert _header(b"Content-Encoding:" + value).coding is None, value


def test_only_strong_etags_count():
    assert _header(b'ETag: "a-1"').etag == '"a-1"'
    for text in (b'W/"a"', b"a", b'"', b"", b'"a b"', b'"' + b"a" * 200 + b'"', b'"\xc3\xa4"', b'"\xe4"'):
        assert _header(b"ETag: " + text).etag is None, text


def test_an_etag_cannot_carry_a_header():
    _refused(OK + b'ETag: "a\rRange: bytes=0-"\r\n' + END)
