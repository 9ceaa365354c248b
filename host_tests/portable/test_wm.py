"""device.wm: the header of a W80x image."""

import struct

from check import raises_code
from makeimage import content, crc, wm

from device import errors, slot
from device.wm import crc as wm_crc
from device.wm import read_header

PROVES = {
    errors.HEADER_INVALID: "test_any_flipped_bit_of_a_header_is_noticed",
    errors.SIZE_MISMATCH: "test_length_against_the_offered_size",
}


def _read(data, size=-1):
    return read_header(data, len(data) if size < 0 else size)


def _bad(code, data, size=-1):
    raises_code(code, _read, data, size)


def test_a_good_header():
    body = content(300)
    header = _read(wm(body))
    assert header.version == "1.2.3"
    assert (header.body_end, header.file_end, header.body_crc) == (364, 364, crc(body))


def test_a_signed_image_is_128_bytes_longer():
    header = _read(wm(content(300), 1 | 0x100) + bytes(128))
    assert (header.body_end, header.file_end) == (364, 492)
    _bad(errors.SIZE_MISMATCH, wm(content(300), 1 | 0x100))


def test_attributes():
    body = content(100)
    for kind in range(16):
        if kind in (0, 14):
            _bad(errors.HEADER_INVALID, wm(body, kind))
        else:
            assert _read(wm(body, kind)).body_end == 164
    for good in (0x10, 0x20, 0xE0, 0x100000):  # encrypted, key numbers, xz
        size = 164
        assert _read(wm(body, 1 | good), size).file_end == 164
    for bad in (0x10000, 0x200000, 0x300000, 0x110000):  # gzip, unknown compressions
        _bad(errors.HEADER_INVALID, wm(body, 1 | bad))


def test_any_flipped_bit_of_a_header_is_noticed():
    good = wm(content(100))
    for bit in range(64 * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << (bit % 8)
        _bad(errors.HEADER_INVALID, bytes(bad))


def test_magic():
    _bad(errors.HEADER_INVALID, wm(content(100), magic=0xA0FFFF9E))
    _bad(errors.HEADER_INVALID, bytes(200))
    _bad(errors.HEADER_INVALID, b"\xff" * 200)


def test_images_too_short_for_a_header():
    data = wm(content(100))
    for size in (0, 1, 63, 64):
        _bad(errors.HEADER_INVALID, data + bytes(64), size)


def test_length_against_the_offered_size():
    data = wm(content(100))
    assert _read(data, 164).file_end == 164
    assert _read(data, 164 + 518).file_end == 164  # the longest trailer
    for size in (65, 163, 164 + 519, 1 << 31, (1 << 32) - 1):
        _bad(errors.SIZE_MISMATCH, data, size)
    for length in (0, 99, 101 + 518, 1 << 31, (1 << 32) - 1, (1 << 32) - 64):
        damaged = wm(content(100), length=length)
        if length == 99:
            assert _read(damaged).file_end == 163  # one byte left over: the trailer check's business
        else:
            _bad(errors.SIZE_MISMATCH, damaged)


def test_versions():
    body = content(10)
    assert _read(wm(body, version=b"2.0.5dev")).version == "2.0.5dev"
    assert _read(wm(body, version=b"0123456789abcdef")).version == "0123456789abcdef"
    for odd in (b"", b"\xff\xfe", b"1.2\x01", b"\xe4\xb8\x8b"):
        assert _read(wm(body, version=odd)).version == ""


def test_crc_is_the_one_without_final_inversion():
    assert wm_crc(b"123456789") == 0xCBF43926 ^ 0xFFFFFFFF
    assert wm_crc(b"") == 0xFFFFFFFF


def test_struct_layout_is_64_bytes():
    assert len(wm(b"")) == slot.HEAD == struct.calcsize("<8I16s4I")
