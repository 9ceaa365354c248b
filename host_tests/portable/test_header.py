"""device.header: the first bytes of an image of each kind, and how they come from the file server."""

from check import raises_code
from makeimage import content, crc, esp32, wm

from device import errors, header

PROVES = {
    errors.HEADER_INVALID: "test_esp32_magics",
    errors.WRONG_BOARD: "test_esp32_chips",
}


def _esp32(data, chip=0, size=-1):
    return header.read_header("esp32", data, len(data) if size < 0 else size, chip)


def test_a_good_esp32_header():
    found = _esp32(esp32(b"body", b"3.2.1"))
    assert (found.version, found.body_end, found.file_end) == ("3.2.1", 0, 0)
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
    found = header.read_header("raw", b"\0" * 64, 1, None)
    assert (found.version, found.body_end, found.file_end) == ("", 0, 0)


def test_wm_has_a_module_of_its_own():
    body = content(300)
    assert header.read_header("wm", wm(body), 364, 0) == header.Header("1.2.3", 364, crc(body), 364)
    raises_code(errors.HEADER_INVALID, header.read_header, "wm", esp32(), 288, None)
