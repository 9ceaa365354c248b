"""device.image: ESP32 headers, the trailer, and what an image says of itself."""

from check import raises_code, settings
from makeimage import content, crc, esp32, raw_trailer, trailer, wm

from device import errors, image

PROVES = {
    errors.HEADER_INVALID: "test_esp32_magics",
    errors.WRONG_BOARD: "test_identity",
    errors.VERSION_UNKNOWN: "test_identity",
}


def _esp32(data, chip=0, size=-1):
    return image.read_header("esp32", data, len(data) if size < 0 else size, chip)


def _trailer(data):
    return image.read_trailer(lambda offset, count: data[offset : offset + count], len(data))


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


def test_wm_has_a_module_of_its_own():
    body = content(300)
    assert image.read_header("wm", wm(body), 364, 0) == image.Header("1.2.3", 364, crc(body), 364)
    raises_code(errors.HEADER_INVALID, image.read_header, "wm", esp32(), 288, None)


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


def _identity(record, header_version, offered=(1, 2, 3), accept=False):
    header = image.Header(header_version, 0, 0, 0)
    config = settings(board="board", accept_unversioned=accept)
    return image.check_identity(record, header, offered, config)


def _record(version="1.2.3", board="board"):
    return {"version": version, "board": board, "build_time": ""}


def test_identity():
    assert _identity(_record(), "") is False
    assert _identity(_record(), "9.9.9") is False  # the trailer outranks the header
    assert _identity(None, "1.2.3") is False
    raises_code(errors.WRONG_BOARD, _identity, _record(board="other"), "1.2.3")
    raises_code(errors.WRONG_BOARD, _identity, _record(board="Board"), "1.2.3", (1, 2, 3), True)
    raises_code(errors.HEADER_INVALID, _identity, _record("1.2.4"), "1.2.3")
    raises_code(errors.HEADER_INVALID, _identity, None, "1.2.4")
    for unknown in ("", "2.0.5dev", "1.2", "v1.2.3"):
        raises_code(errors.VERSION_UNKNOWN, _identity, None, unknown)
        raises_code(errors.VERSION_UNKNOWN, _identity, _record(unknown), "1.2.3")
        assert _identity(None, unknown, (1, 2, 3), True) is True
    raises_code(errors.HEADER_INVALID, _identity, None, "1.2.4", (1, 2, 3), True)
