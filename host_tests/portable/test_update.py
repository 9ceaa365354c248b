"""device.update: from the first byte to the record; after a reboot; slots that hold bytes of two files."""

import makeoffer
from check import raises_code
from fakeserver import DATA, ETAG, Download, head, rest, whole
from fakestream import CLOSE
from makeimage import content, esp32, trailer, wm
from nor import Nor

from device import errors, journal

PROVES = {errors.SHA256_ECDSA: "test_a_second_mixture_is_the_end"}

REFUSED = errors.OtaError(errors.CONNECTION_FAILED, "refused")


def _prepared(scripts, data, position=0, kind="raw", etag=None):
    """A download in a slot that holds data[:position], as it is after a power cut: head blank."""
    offer = makeoffer.of_image(data)
    download = Download(scripts, offer, kind=kind)
    present = data[64:position]
    download.nor.data[64 : 64 + len(present)] = present
    download.nor.data[:64] = b"\xff" * 64
    journal.Journal(offer).save(position, etag)
    return download


def test_from_the_first_byte_to_the_record():
    for kind, body in (("esp32", esp32(content(2300))), ("wm", wm(content(2300))), ("raw", DATA)):
        data = body + trailer()
        start = [head(200, len(data), more=ETAG), data[:1250], CLOSE]
        download = Download([start, rest(data, 1024, ETAG)], makeoffer.of_image(data), kind=kind)
        record = download.verified()
        assert (record["version"], record["size"]) == ("1.2.3", len(data))
        assert bytes(download.nor.data[:64]) == b"\xff" * 64  # still nothing that could boot
        assert download.nor.erases == [1, 1, 1, 0]


MIXED = [head(200, len(DATA + trailer())), content(1250, 3), CLOSE]  # no ETag: nothing to notice it by


def test_a_mixture_of_two_files_costs_a_second_download():
    data = DATA + trailer()
    download = _prepared([MIXED, rest(data, 1024), whole(data)], data)
    assert download.verified()["version"] == "1.2.3"
    assert download.nor.erases == [2, 2, 2, 0]


def test_a_second_mixture_is_the_end():
    data = DATA + trailer()
    download = _prepared([MIXED, rest(data, 1024)] * 2, data)
    raises_code(errors.SHA256_ECDSA, download.verified)
    assert not download.server.scripts


def test_one_answer_that_is_wrong_is_the_end():
    data = DATA + trailer()
    other = bytes([data[0] ^ 1]) + data[1:]
    download = _prepared([whole(other)], data)
    raises_code(errors.SHA256_ECDSA, download.verified)


def _head_of(data, more=""):
    text = "HTTP/1.1 206 X\r\nContent-Length: 64\r\nContent-Range: bytes 0-63/%d\r\n%s\r\n"
    return [(text % (len(data), more)).encode(), data[:64], CLOSE]


def test_after_a_reboot_the_head_is_fetched_and_the_rest():
    for kind, body in (("esp32", esp32(content(2300))), ("wm", wm(content(2300))), ("raw", DATA)):
        data = body + trailer()
        download = _prepared([_head_of(data), rest(data, 2048)], data, 2048, kind)
        record = download.verified()
        assert record["size"] == len(data)
        assert [first for first, _ in download.server.requests()] == ["0-63", "2048-"]
        assert download.nor.erases == [0, 0, 1, 0]
        assert download.holds(data)


def test_after_a_reboot_the_file_must_be_the_same():
    data = DATA + trailer()
    download = _prepared([whole(data, 'ETag: "new"\r\n')], data, 2048, etag='"old"')
    download.verified()
    assert download.server.requests() == [("0-63", '"old"')]
    assert download.holds(data) and download.nor.erases == [1, 1, 1, 0]


def test_after_a_reboot_a_wrong_answer_to_the_first_question():
    data = DATA + trailer()
    for answer, code in (
        ([head(206, 64, 0, len(data)), data, CLOSE], errors.SIZE_MISMATCH),
        ([head(404, 0), CLOSE], errors.HTTP_STATUS),
        (_head_of(data[:-1]), errors.SIZE_MISMATCH),
    ):
        raises_code(code, _prepared([answer], data, 2048).verified)


def test_after_a_reboot_foreign_bytes_in_the_slot_cost_a_second_download():
    data = DATA + trailer()
    download = _prepared([_head_of(data), rest(data, 2048), whole(data)], data, 2048)
    download.nor.data[1500] ^= 1
    download.verified()
    assert download.holds(data)
    assert download.nor.erases == [1, 1, 2, 0]


def test_a_cut_in_the_first_question_asks_it_again():
    data = DATA + trailer()
    scripts = [_head_of(data)[:1] + [data[:30], CLOSE], REFUSED, _head_of(data), rest(data, 2048)]
    download = _prepared(scripts, data, 2048)
    download.verified()
    assert download.holds(data)


def test_a_position_that_cannot_be_is_not_believed():
    data = DATA + trailer()
    for position in (1, 1023, 1025, len(data), 4096):
        download = _prepared([whole(data)], data, position)
        download.verified()
        assert download.holds(data)


def test_a_head_that_is_in_flash_already_is_taken_out():
    """The power went while it was written: with it, a slot of unchecked bytes could boot."""
    data = DATA + trailer()
    for length in (1, 30, 64):
        download = _prepared([_head_of(data), rest(data, 2048)], data, 2048)
        download.nor.data[:length] = data[:length]
        download.verified()
        assert bytes(download.nor.data[:64]) == b"\xff" * 64
        assert download.holds(data) and download.nor.erases == [1, 0, 1, 0]


def test_no_checkpoint_at_the_very_end():
    data = b"\x5a" * 4096
    offer = makeoffer.offer(size=len(data), https_url=makeoffer.ABSENT)
    download = Download([whole(data)], offer, checkpoint_kib=4)
    download.run()
    assert download.saved == []


def test_a_checkpoint_each_interval():
    """4 KiB is the least."""
    data = b"\x5a" * (4096 + 100)
    offer = makeoffer.offer(size=len(data), https_url=makeoffer.ABSENT)
    download = Download([whole(data, ETAG)], offer, checkpoint_kib=4)
    download.nor = Nor(5, 1024)
    download.run()
    assert download.saved == [(4096, '"a"')]
