"""device.image: W80x and ESP32 headers, the trailer, and what an image says of itself."""

import struct

from check import raises_code
from makeimage import content, crc, esp32, raw_trailer, trailer, wm

from device import errors, image

PROVES = {
    errors.HEADER_INVALID: "test_any_flipped_bit_of_a_wm_header_is_noticed",
    errors.SIZE_MISMATCH: "test_wm_length_against_the_offered_size",
    errors.WRONG_BOARD: "test_identity",
    errors.VERSION_UNKNOWN: "test_identity",
}


def _wm(data, size=-1):
    return image.read_header("wm", data, len(data) if size < 0 else size, None)


def _wm_bad(code, data, size=-1):
    raises_code(code, _wm, data, size)


def _esp32(data, chip=0, size=-1):
    return image.read_header("esp32", data, len(data) if size < 0 else size, chip)


def _trailer(data):
    return image.read_trailer(lambda offset, count: data[offset : offset + count], len(data))


def test_a_good_wm_header():
    body = content(300)
    header = _wm(wm(body))
    assert header.version == "1.2.3"
    assert (header.body_end, header.file_end, header.body_crc) == (364, 364, crc(body))


def test_a_signed_wm_image_is_128_bytes_longer():
    header = _wm(wm(content(300), 1 | 0x100) + bytes(128))
    assert (header.body_end, header.file_end) == (364, 492)
    _wm_bad(errors.SIZE_MISMATCH, wm(content(300), 1 | 0x100))


def test_wm_attributes():
    body = content(100)
    for kind in range(16):
        if kind in (0, 14):
            _wm_bad(errors.HEADER_INVALID, wm(body, kind))
        else:
            assert _wm(wm(body, kind)).body_end == 164
    for good in (0x10, 0x20, 0xE0, 0x100000):  # encrypted, key numbers, xz
        size = 164
        assert _wm(wm(body, 1 | good), size).file_end == 164
    for bad in (0x10000, 0x200000, 0x300000, 0x110000):  # gzip, unknown compressions
        _wm_bad(errors.HEADER_INVALID, wm(body, 1 | bad))


def test_any_flipped_bit_of_a_wm_header_is_noticed():
    good = wm(content(100))
    for bit in range(64 * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << (bit % 8)
        _wm_bad(errors.HEADER_INVALID, bytes(bad))


def test_wm_magic():
    _wm_bad(errors.HEADER_INVALID, wm(content(100), magic=0xA0FFFF9E))
    _wm_bad(errors.HEADER_INVALID, bytes(200))
    _wm_bad(errors.HEADER_INVALID, b"\xff" * 200)


def test_wm_images_too_short_for_a_header():
    data = wm(content(100))
    for size in (0, 1, 63, 64):
        _wm_bad(errors.HEADER_INVALID, data + bytes(64), size)


def test_wm_length_against_the_offered_size():
    data = wm(content(100))
    assert _wm(data, 164).file_end == 164
    assert _wm(data, 164 + 518).file_end == 164  # the longest trailer
    for size in (65, 163, 164 + 519, 1 << 31, (1 << 32) - 1):
        _wm_bad(errors.SIZE_MISMATCH, data, size)
    for length in (0, 99, 101 + 518, 1 << 31, (1 << 32) - 1, (1 << 32) - 64):
        damaged = wm(content(100), length=length)
        if length == 99:
            assert _wm(damaged).file_end == 163  # one byte left over: the trailer check's business
        else:
            _wm_bad(errors.SIZE_MISMATCH, damaged)


def test_wm_versions():
    body = content(10)
    assert _wm(wm(body, version=b"2.0.5dev")).version == "2.0.5dev"
    assert _wm(wm(body, version=b"0123456789abcdef")).version == "0123456789abcdef"
    for odd in (b"", b"\xff\xfe", b"1.2\x01", b"\xe4\xb8\x8b"):
        assert _wm(wm(body, version=odd)).version == ""


def test_a_good_esp32_header():
    header = _esp32(esp32(b"body", b"3.2.1"))
    assert (header.version, header.body_end, header.file_end) == ("3.2.1", 0, 0)
    assert _esp32(esp32(version=b"v" * 32)).version == "v" * 32
    assert _esp32(esp32(version=b"\xc3\x28")).version == ""


def test_esp32_magics():
    raises_code(errors.HEADER_INVALID, _esp32, esp32(magic=0xE8))
    raises_code(errors.HEADER_INVALID, _esp32, esp32(desc_magic=0xABCD5433))
    raises_code(errors.HEADER_INVALID, _esp32, bytes(300))
    raises_code(errors.HEADER_INVALID, _esp32, wm(content(300)))
    for size in (0, 1, 95):
        raises_code(errors.HEADER_INVALID, _esp32, esp32(), 0, size)


def test_esp32_chips():
    assert _esp32(esp32(chip=9), 9) and _esp32(esp32(chip=9), None)
    raises_code(errors.WRONG_BOARD, _esp32, esp32(chip=9), 0)
    raises_code(errors.WRONG_BOARD, _esp32, esp32(chip=0), 9)


def test_raw_has_no_header():
    header = image.read_header("raw", b"\0" * 64, 1, None)
    assert (header.version, header.body_end, header.file_end) == ("", 0, 0)


def test_crc_is_the_one_without_final_inversion():
    assert image.wm_crc(b"123456789") == 0xCBF43926 ^ 0xFFFFFFFF
    assert image.wm_crc(b"") == 0xFFFFFFFF


def test_a_good_trailer():
    record, start = _trailer(b"image" + trailer())
    assert start == 5
    assert record == {
        "version": "1.2.3", "board": "test-board", "build_time": "May 24 2024 10:33:41"
    }  # fmt: skip


def test_no_trailer():
    for data in (b"", b"O", b"OTAT"[:3], b"image", b"OTAT" + bytes(20), trailer() + b"\0"):
        assert _trailer(data) == (None, len(data))


def test_damaged_trailers():
    good = b'{"version": "1.2.3", "board": "b", "build_time": ""}'
    assert _trailer(raw_trailer(good))[0]["board"] == "b"
    for record, length in (
        (good, len(good) + 1), (good, 65535), (good[:-2], -1), (b"", -1), (b"[]", -1), (b"1", -1),
        (b"\xff" * 20, -1), (b"null", -1), (b'{"version": "1.2.3", "board": "b"}', -1),
        (b'{"version": 1, "board": "b", "build_time": ""}', -1),
        (b'{"version": "1.2.3", "board": null, "build_time": ""}', -1),
        (good[:-1] + b" " * 500 + b"}", -1),
    ):  # fmt: skip
        raises_code(errors.HEADER_INVALID, _trailer, raw_trailer(record, length))


def test_trailer_limit_is_512():
    base = b'{"version": "1.2.3", "board": "b", "build_time": ""'
    fits = base + b" " * (511 - len(base)) + b"}"
    assert _trailer(b"x" * 9 + raw_trailer(fits))[1] == 9
    raises_code(errors.HEADER_INVALID, _trailer, raw_trailer(base + b" " * (512 - len(base)) + b"}"))


def test_bytes_between_image_and_trailer_are_refused():
    header = _wm(wm(content(100)))
    assert image.check_trailer_place(header, 164) is None
    for start in (163, 165, 700):
        raises_code(errors.SIZE_MISMATCH, image.check_trailer_place, header, start)
    assert image.check_trailer_place(image.Header(), 1) is None


def _identity(record, header_version, offered="1.2.3", accept=False):
    return image.check_identity(record, image.Header(header_version), offered, "board", accept)


def _record(version="1.2.3", board="board"):
    return {"version": version, "board": board, "build_time": ""}


def test_identity():
    assert _identity(_record(), "") is False
    assert _identity(_record(), "9.9.9") is False  # the trailer outranks the header
    assert _identity(None, "1.2.3") is False
    raises_code(errors.WRONG_BOARD, _identity, _record(board="other"), "1.2.3")
    raises_code(errors.WRONG_BOARD, _identity, _record(board="Board"), "1.2.3", "1.2.3", True)
    raises_code(errors.HEADER_INVALID, _identity, _record("1.2.4"), "1.2.3")
    raises_code(errors.HEADER_INVALID, _identity, None, "1.2.4")
    for unknown in ("", "2.0.5dev", "1.2", "v1.2.3"):
        raises_code(errors.VERSION_UNKNOWN, _identity, None, unknown)
        raises_code(errors.VERSION_UNKNOWN, _identity, _record(unknown), "1.2.3")
        assert _identity(None, unknown, "1.2.3", True) is True
    raises_code(errors.HEADER_INVALID, _identity, None, "1.2.4", "1.2.3", True)


def test_struct_layout_is_64_bytes():
    assert len(wm(b"")) == image.HEAD == struct.calcsize("<8I16s4I")
