"""device.update.fetch: whole, dropped, stalled and resumed, every wait bounded."""

import makeoffer
from check import patched, raises, raises_code
from fakeagent import FakeWlan
from fakeserver import DATA, ETAG, Download, download_of, fails, head, rest, succeeds, whole
from fakestream import CLOSE, STALL, TRICKLE

from device import errors, log

PROVES = {
    errors.FW_OVERFLOW: "test_an_image_larger_than_the_slot_costs_no_connection",
    errors.TIMEOUT: "test_a_stall_is_bounded_everywhere",
    errors.TLS_REFUSED: "test_a_refused_certificate_is_tried_once_more",
    errors.CONNECTION_FAILED: "test_the_window_is_counted_from_the_last_block",
    errors.FLASH: "test_bad_flash_ends_it_at_once",
    errors.HEADER_INVALID: "test_a_wrong_header_ends_it_after_one_block",
}

REFUSED = errors.OtaError(errors.CONNECTION_FAILED, "refused")


def test_a_whole_download_in_any_pieces():
    for chunk in (1, 7, 1000, 1024, 1 << 20):
        download = succeeds([whole(DATA)], chunk=chunk)
        assert download.nor.erases == [1, 1, 1, 0]
        assert download.server.requests() == [("", "")]
        assert download.server.hosts == [("files", 80, False)]


def test_sizes_around_block_borders():
    for size in (65, 1023, 1024, 1025, 2048, 4096):
        data = b"\x5b" * size
        succeeds([whole(data)], data)


def test_pauses_change_nothing():
    script = [STALL, head(200, 2500), STALL]
    for start in range(0, 2500, 900):
        script += [DATA[start : start + 900], STALL, STALL]
    download = succeeds([script])
    assert 0 < download.clock.elapsed_ms < 2000


def test_not_a_byte_after_the_end_is_read():
    script = [head(200, 2500), DATA + b"more" * 100, CLOSE]
    download = succeeds([script])
    assert download.server.peers[0].taken == len(head(200, 2500)) + 2500


def test_https_gets_a_context():
    download = succeeds([whole(DATA)], https=True)
    assert download.server.hosts == [("files", 8443, True)]


def test_a_drop_resumes_at_the_block():
    for cut in (0, 1, 1023, 1024, 1025, 2047, 2048, 2499):
        first = cut // 1024 * 1024
        again = rest(DATA, first, ETAG) if first else whole(DATA, ETAG)
        script = [head(200, 2500, more=ETAG), DATA[:cut], CLOSE] if cut else [head(200, 2500), CLOSE]
        download = succeeds([script, again])
        expected = ("%d-" % first, '"a"') if first else ("", "")
        assert download.server.requests()[1] == expected, cut
        assert download.nor.erases == [1, 1, 1, 0], cut


def test_a_drop_before_and_inside_the_head():
    text = head(200, 2500)
    for length in range(0, len(text), 5):
        succeeds([[text[:length], CLOSE] if length else [CLOSE], whole(DATA)])


def test_a_reset_is_a_drop():
    reset = OSError(104, "reset")
    succeeds([[head(200, 2500), DATA[:1250], reset], rest(DATA, 1024)])
    succeeds([REFUSED, [reset], whole(DATA)])


def test_a_stall_is_bounded_everywhere():
    """A window of 12 s: tries of 5 s each and pauses below 4 s, until it is over."""
    text = head(200, 2500)
    for script in (
        [STALL], [text[:10], STALL], [text, STALL], [text, DATA[:1], STALL], [text, DATA[:1023], STALL],
    ):  # fmt: skip
        download = download_of([script] * 9, retry_window_s=12)
        raises_code(errors.TIMEOUT, download.run)
        assert 12000 <= download.clock.elapsed_ms <= 12000 + 5000 + 4000 + 1000
        assert all(peer.is_closed for peer in download.server.peers)


def test_a_trickle_counts_as_a_stall():
    """A byte every 20 ms: a block would take 20 s, the limit is 5."""
    download = download_of([whole(DATA)] * 9, chunk=TRICKLE)
    raises_code(errors.TIMEOUT, download.run)
    assert 20000 <= download.clock.elapsed_ms <= 30000


def test_the_window_is_counted_from_the_last_block():
    """Each block comes after almost a whole window: together that is far more than one."""
    dead = [STALL]
    start = [head(200, 2500), DATA[:1250], CLOSE]
    more = [head(206, 1476, 1024, 2500), DATA[1024:2048], CLOSE]
    scripts = [dead, dead, start, dead, dead, more, dead, dead, rest(DATA, 2048)]
    download = succeeds(scripts, retry_window_s=16)
    assert download.clock.elapsed_ms >= 30000
    raises_code(errors.CONNECTION_FAILED, download_of([REFUSED] * 40).run)


def test_a_server_that_says_when_is_obeyed():
    """Its Retry-After does not shrink the window, but cannot stretch it for ever."""
    busy = [head(429, 0, more="Retry-After: 300\r\n"), CLOSE]
    download = succeeds([busy, busy, whole(DATA)])
    assert 600_000 <= download.clock.elapsed_ms < 620_000
    download = download_of([busy] * 99)
    raises_code(errors.HTTP_STATUS, download.run)
    assert 600_000 < download.clock.elapsed_ms < 3600_000 + 60_000


def test_what_a_server_said_counts_for_the_next_try_alone():
    """Not for a connection that is refused after it, or for which there is no memory."""
    busy = [head(429, 0, more="Retry-After: 300\r\n"), CLOSE]
    download = succeeds([busy, REFUSED, REFUSED, whole(DATA)])
    assert 300_000 <= download.clock.elapsed_ms < 320_000
    full = errors.OtaError(errors.NO_MEM, "")
    download = fails(errors.NO_MEM, [busy, full, full], connections=3)
    assert download.report.rooms == 1 - 2


def test_wifi_that_is_gone_is_waited_for():
    class Late(FakeWlan):
        def isconnected(self):
            return len(self.tried) >= 3

    wlan = Late()
    succeeds([whole(DATA)], wlan=wlan, wifi_timeout_s=1)
    assert len(wlan.tried) == 3

    class Gone(FakeWlan):
        def isconnected(self):
            return False

    fails(errors.NO_GOT_IP, [], connections=0, wlan=Gone(), wifi_timeout_s=1)


def test_wifi_that_drops_in_mid_block_ends_the_connection_at_once():
    class Dropping(FakeWlan):
        looks = 0

        def isconnected(self):
            self.looks += 1
            return self.looks != 2

    stalled = [head(200, 2500, more=ETAG), DATA[:1250], STALL]
    download = succeeds([stalled, rest(DATA, 1024, ETAG)], wlan=Dropping())
    assert download.clock.elapsed_ms < 2000  # not the 5 s of a stall


def test_a_refused_certificate_is_tried_once_more():
    refused = errors.OtaError(errors.TLS_REFUSED, "expired")
    fails(errors.TLS_REFUSED, [refused] * 2, connections=2, https=True)
    start = [head(200, 2500), DATA[:1250], CLOSE]
    fails(errors.TLS_REFUSED, [start, refused, refused], connections=3, https=True)
    succeeds([refused, whole(DATA)], https=True)


def test_before_a_refused_handshake_is_repeated_room_is_made():
    """What is accepted then was refused for want of memory: that is said, and it may happen again."""
    refused = errors.OtaError(errors.TLS_REFUSED, "not correctly signed")
    said = []
    with patched(log, "error", said.append):
        cut = [head(200, 2500, more=ETAG), DATA[:1250], CLOSE]
        download = succeeds([refused, cut, refused, rest(DATA, 1024, ETAG)], https=True)
        assert download.report.rooms == 1 - 2
        assert said == ["-2 Out of memory: TLS refused before"] * 2
        fails(errors.TLS_REFUSED, [refused] * 2, connections=2, https=True)
        to = [head(302, 0, more="Location: https://other/image\r\n")]
        fails(errors.TLS_REFUSED, [to, refused, to, refused], connections=4, https=True)
        assert len(said) == 2


def test_one_tls_context_serves_the_download():
    download = download_of([[head(200, 2500), DATA[:1250], CLOSE], rest(DATA, 1024)], https=True)
    download.run()
    assert download.holds(DATA) and download.contexts == 1


def test_a_redirect_to_https_gets_a_context_of_its_own():
    to = [head(302, 0, more="Location: https://other/image\r\n"), CLOSE]
    start = [head(200, 2500), DATA[:1250], CLOSE]
    download = succeeds([to, start, to, rest(DATA, 1024)])
    assert download.contexts == 1 and download.server.hosts[1] == ("other", 443, True)


def test_where_two_connections_do_not_fit_room_is_made_once():
    unusable = errors.OtaError(errors.NO_INIT, "a certificate for which there is no memory")
    for full in (errors.OtaError(errors.NO_MEM, "TLS does not fit"), unusable, MemoryError()):
        succeeds([full, whole(DATA)], https=True)
    fails(errors.NO_MEM, [errors.OtaError(errors.NO_MEM, "")] * 2, connections=2, https=True)
    raises(MemoryError, download_of([MemoryError()] * 2).run)


def test_a_login_page_does_not_cost_what_is_there():
    start = [head(200, 2500), DATA[:1250], CLOSE]
    download = fails(errors.SIZE_MISMATCH, [start, [head(200, 30), b"x" * 30, CLOSE]], connections=2)
    assert download.transfer.position == 1024


def test_bad_flash_ends_it_at_once():
    download = download_of([whole(DATA)])
    download.nor.fail_at = 3
    raises_code(errors.FLASH, download.run)
    assert len(download.server.hosts) == 1 and download.server.peers[0].is_closed


def test_an_image_larger_than_the_slot_costs_no_connection():
    for size in (4097, 1 << 31):
        download = Download([], makeoffer.offer(size=size))
        raises_code(errors.FW_OVERFLOW, download.run)
        assert download.server.hosts == [] and download.nor.operations == 0


def test_a_wrong_header_ends_it_after_one_block():
    download = fails(errors.HEADER_INVALID, [whole(DATA)], kind="esp32")
    assert download.nor.operations == 0  # not a byte was written
    assert download.server.peers[0].taken <= len(head(200, 2500)) + 1024
