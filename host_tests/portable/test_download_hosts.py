"""device.update.fetch from hosts as they are: without Range, nodes that differ, redirects with long heads."""

from check import raises_code
from fakeserver import DATA, ETAG, download_of, head, rest, succeeds, whole
from fakestream import CLOSE

from device import errors

PROVES = {errors.CONNECTION_FAILED: "test_a_host_without_range_whose_link_is_always_cut"}

START = DATA[:2100]  # in the third block
CUT = [b"HTTP/1.0 200 OK\r\nContent-Length: 2500\r\n\r\n", START, CLOSE]
WINDOW_S = 30


def test_a_host_without_range():
    for cuts in (1, 4):
        scripts = [CUT] * cuts + [[CUT[0], DATA, CLOSE]]
        download = succeeds(scripts, starts_over=cuts, retry_window_s=WINDOW_S)
        wanted = [first for first, _ in download.server.requests()]
        assert wanted == [""] + ["2048-"] * cuts


def _max_erases(download):
    """It ends as a matter of the network, when the window since the last new block is over. Returns the most
    erases of a block."""
    raises_code(errors.CONNECTION_FAILED, download.run)
    assert WINDOW_S * 1000 <= download.clock.elapsed_ms <= (WINDOW_S + 5) * 1000
    return max(download.nor.erases)


def test_a_host_without_range_whose_link_is_always_cut():
    """Blocks that come again are not progress; and however long that lasts, flash is worn a little only."""
    assert _max_erases(download_of([CUT] * 99, retry_window_s=WINDOW_S)) <= 16
    often = {"backoff_max_s": 1, "retry_window_s": WINDOW_S}  # more tries than the flash is to bear
    download = download_of([CUT] * 199, **often)
    assert _max_erases(download) == 16 and len(download.server.hosts) > 30


def test_nodes_with_tags_of_their_own():
    """The answer is whole where the server looks at If-Range, else a part of what may be another file."""

    def tag(number):
        return 'ETag: "%d"\r\n' % number

    cut = [[head(200, 2500, more=tag(number)), START, CLOSE] for number in range(8)]
    succeeds(cut[:4] + [whole(DATA, tag(7))], starts_over=4, retry_window_s=WINDOW_S)
    assert _max_erases(download_of(cut * 9, retry_window_s=WINDOW_S)) <= 16
    parts = [cut[0]]
    for number in range(1, 5):
        parts += [rest(DATA, 2048, tag(number)), cut[number]]
    succeeds(parts + [rest(DATA, 2048, tag(4))], starts_over=4, retry_window_s=WINDOW_S)


def test_a_part_without_a_tag_goes_on():
    """Its server has looked at If-Range; the tag still holds for the next part."""
    start = [head(200, 2500, more=ETAG), DATA[:1250], CLOSE]
    more = [head(206, 1476, 1024, 2500), DATA[1024:2048], CLOSE]
    download = succeeds([start, more, rest(DATA, 2048, 'ETag: W/"a"\r\n')])
    assert download.server.requests() == [("", ""), ("1024-", '"a"'), ("2048-", '"a"')]


POLICY = b"default-src 'none'; " * 18


def test_a_release_page_and_its_store():
    """A policy of 3,600 bytes, hosts that differ, a presigned URL of 1,400 characters; the store keeps an
    encoding that is not one, and owners' names beyond ASCII."""
    signed = "//store.example/x/../lamp.img?X-Amz-Signature=" + "f" * 1400
    page = [b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\ncontent-security-policy: "] + [POLICY] * 10
    answer = "x-amz-meta-owner: Ren\xe9\r\nContent-Encoding: aws-chunked\r\nx-amz-id-2:\r\n"
    scripts = [
        page + [b"\r\nLocation: HTTPS://Assets.example\r\n\r\n", CLOSE],
        page + [b"\r\nlocation: ", signed.encode(), b"\r\n\r\n", CLOSE], whole(DATA, answer),
    ]  # fmt: skip
    download = succeeds(scripts)
    assert download.server.hosts[1:] == [("Assets.example", 443, True), ("store.example", 443, True)]
    assert download.server.peers[2].sent.startswith(b"GET /lamp.img?X-Amz-Signature=ffff")
