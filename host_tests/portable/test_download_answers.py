"""device.update.fetch: what each answer of the server leads to: spans, statuses, ETags, redirects."""

from check import raises_code
from fakeserver import DATA, ETAG, download_of, fails, head, rest, succeeds, whole
from fakestream import CLOSE, STALL, TRICKLE
from makeimage import content

from device import errors

PROVES = {
    errors.HTTP_STATUS: "test_a_status_that_no_retry_can_better_ends_it_at_once",
    errors.SIZE_MISMATCH: "test_wrong_spans",
}

OTHER = 'ETag: "b"\r\n'


def test_wrong_spans():
    start = [head(200, 2500, more=ETAG), DATA[:1250], CLOSE]
    for answer in (
        head(206, 1476, 1023, 2500, ETAG), head(206, 1476, 1025, 2500, ETAG),
        head(206, 1476, 1024, 2501, ETAG), head(206, 1476, 0, 2500, ETAG), head(206, 1476, more=ETAG),
        head(206, 1477, 1024, 2500, ETAG), head(206, 2500, 1024, 2500, ETAG),
        head(206, None, 1024, 2500, ETAG), head(206, 0, 1024, 2500, ETAG),
        head(206, 1476, more=ETAG + "Content-Range: bytes 1024-2300/2500\r\n"),
    ):  # fmt: skip
        download = fails(errors.SIZE_MISMATCH, [start, [answer, DATA, CLOSE]], connections=2)
        assert download.transfer.position == 1024
        assert download.saved == []  # no interval was complete


def test_a_first_answer_of_another_length():
    for length in (0, 1, 2499, 2501, 1 << 31, None):
        fails(errors.SIZE_MISMATCH, [[head(200, length), DATA, CLOSE]])
    fails(errors.SIZE_MISMATCH, [[head(206, 2500, 1, 2501), DATA, CLOSE]])


def test_200_on_a_resume_starts_over_and_is_right():
    start = [head(200, 2500), content(1250, 3), CLOSE]
    download = succeeds([start, whole(DATA)], starts_over=1)
    assert download.nor.erases == [2, 1, 1, 0]
    assert download.server.requests()[1][0] == "1024-"


def test_another_etag_starts_over():
    start = [head(200, 2500, more=ETAG), content(1250, 3), CLOSE]
    wrong = rest(content(2500, 3), 1024, OTHER)
    download = succeeds([start, wrong, whole(DATA, OTHER)], starts_over=1)
    assert download.server.requests() == [("", ""), ("1024-", '"a"'), ("", "")]
    assert download.server.peers[1].taken < 200


def test_a_file_that_got_shorter_starts_over():
    start = [head(200, 2500, more=ETAG), DATA[:1250], CLOSE]
    succeeds([start, [head(416, 0), CLOSE], whole(DATA)], starts_over=1)


def test_a_status_that_no_retry_can_better_ends_it_at_once():
    for status in (101, 204, 300, 304, 400, 401, 403, 404, 410, 416, 418):
        download = fails(errors.HTTP_STATUS, [[head(status, 2500), DATA, CLOSE]])
        assert download.nor.operations == 0 and download.clock.elapsed_ms == 0


def test_a_status_that_may_get_better_is_asked_again():
    for status in (429, 500, 502, 503, 504):
        busy = [head(status, 3), b"no\n", CLOSE]
        succeeds([busy, busy, whole(DATA)])
        start = [head(200, 2500), DATA[:1250], CLOSE]
        succeeds([start, busy, rest(DATA, 1024)])
    raises_code(errors.HTTP_STATUS, download_of([[head(503), CLOSE]] * 40).run)


def test_a_body_that_is_not_plain():
    for line in (
        "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "Content-Encoding: gzip\r\n",
    ):  # fmt: skip
        fails(errors.HTTP_STATUS, [[head(200, 2500, more=line), DATA, CLOSE]])


def test_never_more_is_read_than_was_offered():
    """A server that goes on sending is left; one that announces more, or nothing, sends in vain."""
    answer = head(200, 2500)
    download = succeeds([[answer, DATA] + [bytes(1000)] * 100])
    assert download.server.peers[0].taken == len(answer) + 2500
    for length in (2501, 9999999999, None):
        answer = head(200, length)
        download = fails(errors.SIZE_MISMATCH, [[answer, DATA] + [bytes(1000)] * 100])
        assert download.server.peers[0].taken == len(answer)


def test_a_head_that_trickles_ends_in_time():
    """Byte by byte for hours: the whole of it has http_timeout_s, 5 s here."""
    for endless in (b"H" * 999, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200):
        download = download_of([[endless]], chunk=TRICKLE, retry_window_s=1)
        raises_code(errors.TIMEOUT, download.run)
        assert 5000 < download.clock.elapsed_ms < 5100


def test_what_is_not_http_ends_it():
    fails(errors.HTTP_STATUS, [[b"SSH-2.0-x\r\n" * 10, STALL]])
    fails(errors.HTTP_STATUS, [[b"HTTP/1.1 200 OK\r\n"] + [b"X: y\r\n" * 99] * 30 + [STALL]])


def _redirect(location, status=302):
    return [head(status, 0, more="Location: %s\r\n" % location), CLOSE]


def test_redirects_are_followed_by_every_status():
    for status in (301, 302, 303, 307, 308):
        download = succeeds([_redirect("http://other:81/x", status), whole(DATA)])
        assert download.server.hosts == [("files", 80, False), ("other", 81, False)]
    download = succeeds([_redirect("/x"), _redirect("https://s/"), _redirect("/y"), whole(DATA)])
    assert download.server.hosts[-1] == ("s", 443, True)
    assert download.server.peers[3].sent.startswith(b"GET /y HTTP/1.1\r\nHost: s\r\n")


def test_a_resume_after_a_redirect_asks_the_offers_url_again():
    start = [head(200, 2500), DATA[:1250], CLOSE]
    scripts = [_redirect("/a"), start, _redirect("/b"), rest(DATA, 1024)]
    assert succeeds(scripts).server.requests()[3][0] == "1024-"


def test_redirects_from_https_to_http_are_refused():
    for location in ("http://files/x", "HTTP://files/x", "ftp://files/x", ""):
        fails(errors.HTTP_STATUS, [_redirect(location)], https=True)
    scripts = [_redirect("https://s/"), _redirect("http://files/x")]
    fails(errors.HTTP_STATUS, scripts, connections=2)


def test_a_loop_of_redirects_ends():
    fails(errors.HTTP_STATUS, [_redirect("/x")] * 11, connections=11)
    succeeds([_redirect("/x")] * 10 + [whole(DATA)])
