"""device.download: checkpoints survive a cut at any byte, and speak only for the offer they were made for."""

import binascii
import os

import makeoffer
from check import patched, recorded_log

from device import download
from device.download import Journal

PATH = "ota_journal"
TAG = '"abc"'


def _forget():
    for number in (0, 1):
        try:
            os.remove("%s.%d" % (PATH, number))
        except OSError:
            pass


def _journal(offer=None):
    return Journal(offer or makeoffer.offer())


def _raw(number):
    with open("%s.%d" % (PATH, number), "rb") as file:
        return file.read()


def _write(number, data):
    with open("%s.%d" % (PATH, number), "wb") as file:
        file.write(data)


def test_none_yet():
    _forget()
    assert (_journal().position, _journal().etag) == (0, None)


def test_the_newest_counts():
    _forget()
    first = _journal()
    for position in (4096, 8192, 12288):
        first.save(position, TAG)
        again = _journal()
        assert (again.position, again.etag) == (position, TAG)
    again.save(16384, None)  # it goes on where the one before the reboot was
    assert (_journal().position, _journal().etag) == (16384, None)


def test_only_for_the_same_offer():
    _forget()
    _journal().save(4096, TAG)
    other = makeoffer.offer(signature=makeoffer.base64(makeoffer.SIGNATURE[:-1] + b"\0"))
    for offer in (makeoffer.offer(size=9999), makeoffer.offer(version="1.2.4"), other):
        assert _journal(offer).position == 0
    assert _journal(makeoffer.offer(http_url="http://elsewhere/x")).position == 4096
    _journal(other).save(8192, None)
    assert _journal().position == 0 and _journal(other).position == 8192


def test_a_write_cut_at_any_byte_leaves_the_checkpoint_before():
    for tag in (None, TAG):
        _forget()
        first = _journal()
        first.save(4096, tag)
        first.save(8192, tag)
        old = _raw(0)
        first.save(12288, tag)
        new = _raw(0)
        assert len(new) == 176
        for length in range(len(new)):
            for torn in (new[:length], new[:length] + old[length:]):  # cut short, or over the old one
                _write(0, torn)
                assert _journal().position == 8192, length
        _write(0, new)
        assert _journal().position == 12288


def test_every_flipped_bit_is_noticed():
    _forget()
    _journal().save(4096, TAG)
    good = _raw(0)
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        _write(0, bad)
        assert _journal().position == 0, bit


def test_other_lengths_are_no_records():
    for data in (b"", b"x", b"OTJ2", b"OTJ2" * 44, b"OTJ2" * 100):
        _write(0, data)
        _write(1, data)
        assert _journal().position == 0


def test_another_layout_is_left_alone():
    _forget()
    _journal().save(4096, TAG)
    with patched(download, "_MAGIC", b"OTJ3"):
        assert _journal().position == 0
    assert _journal().position == 4096


def test_forgetting_writes_only_where_there_is_something_to_forget():
    _forget()
    first = _journal()
    first.forget()
    assert PATH + ".0" not in os.listdir()
    first.save(4096, TAG)
    first.forget()
    assert _journal().position == 0


def test_what_the_phases_ask():
    _forget()
    offer = makeoffer.offer()
    assert download.find(offer) == (0, None)
    download.forget(offer)
    assert PATH + ".0" not in os.listdir()
    _journal().save(4096, TAG)
    assert download.find(offer) == (4096, TAG)
    download.forget(makeoffer.offer(size=9999))
    assert download.find(offer) == (4096, TAG)
    download.forget(offer)
    assert download.find(offer) == (0, None)


def test_a_journal_that_cannot_be_written_is_a_warning():
    with patched(download, "_NAMES", ("no/such/folder/0", "no/such/folder/1")), recorded_log() as lines:
        _journal().save(4096, TAG)
    assert len(lines) == 1 and lines[0].startswith("W/ota")


def test_an_etag_that_is_no_text_makes_no_record():
    _forget()
    _journal().save(4096, TAG)
    good = _raw(0)
    for tag, position in ((b'"abc"', 4096), (b"\x80\xff\xfe\xfd\xfc", 0)):
        record = good[:44] + tag + bytes(123)
        _write(0, record + binascii.crc32(record).to_bytes(4, "little"))
        assert _journal().position == position
