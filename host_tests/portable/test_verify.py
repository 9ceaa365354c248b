"""device.verify: digest and CRC over flash, with the bytes held back where they belong; what an image says
of itself."""

import hashlib

from check import raises_code, run, settings
from makeimage import content, crc, raw_trailer, trailer, wm
from nor import Nor

from device import errors, slot, verify
from device.slot import Slot
from device.trial import release_head as release

PROVES = {
    errors.FLASH: "test_flash_that_cannot_be_read",
    errors.HEADER_INVALID: "test_damaged_trailers",
    errors.WRONG_BOARD: "test_identity",
    errors.VERSION_UNKNOWN: "test_identity",
}

BLOCK = 4096


def _slot(data, blocks=3):
    nor = Nor(blocks)
    slot = Slot(nor, bytearray(BLOCK))
    for start in range(0, len(data), BLOCK):
        piece = memoryview(data)[start : start + BLOCK]
        slot.view[: len(piece)] = piece
        if start == 0:
            slot.hold_head()
        slot.write_block(len(piece))
    return nor, slot


def test_digest_for_sizes_around_every_border():
    for size in (1, 2, 55, 56, 63, 64, 65, 127, 4031, 4095, 4096, 4097, 4160, 8191, 8192, 8193, 12288):
        data = content(size)
        for is_released in (False, True):
            nor = slot = None  # the last ones' memory is needed
            nor, slot = _slot(data)
            if is_released:
                release(nor, slot.head)
                slot.head = None
            steps = []
            sha, _ = run(verify.read_digest(slot, size), steps.append)
            assert sha == hashlib.sha256(data).digest(), (size, is_released)
            assert len(steps) == (size + BLOCK - 1) // BLOCK // 2


def test_what_lies_behind_the_image_does_not_count():
    data = content(5000)
    nor = Nor(4)
    nor.data[:5000] = data
    sha, _ = run(verify.read_digest(Slot(nor, bytearray(BLOCK)), 5000))
    assert sha == hashlib.sha256(data).digest()


def test_body_crc_for_sizes_around_every_border():
    for size in (1, 100, 4031, 4032, 4033, 8127, 8128, 8129, 12000):
        for tail in (b"", b"tail" * 30):
            slot = data = None
            data = wm(content(size)) + tail
            _, slot = _slot(data)
            _, found = run(verify.read_digest(slot, len(data), 64 + size))
            assert found == crc(memoryview(data)[64 : 64 + size]), (size, len(tail))


def test_what_a_partition_holds():
    data = content(5000)
    nor = Nor(2)
    nor.data[:5000] = data
    sha = hashlib.sha256(data).digest().hex()
    assert run(verify.holds(nor, 5000, sha)) is True
    assert run(verify.holds(nor, 4999, sha)) is False
    assert run(verify.holds(nor, 1 << 31, sha)) is False
    nor.data[10] ^= 1
    assert run(verify.holds(nor, 5000, sha)) is False


def test_flash_that_cannot_be_read():
    nor = Nor(2)
    nor.fail_at = 1
    raises_code(errors.FLASH, run, verify.read_digest(Slot(nor), 5000))


def test_the_last_bytes_of_an_image():
    """518 of them may be a trailer."""
    for size in (1, 5, 63, 64, 65, 518, 519, 4095, 4096, 4097, 4600, 8192):
        data = content(size)
        for is_released in (False, True):
            nor = slot = None
            nor, slot = _slot(data)
            if is_released:
                release(nor, slot.head)
                slot.head = None
            for count in (1, 6, 64, 518, 4096, 5000):
                assert verify.read_tail(slot, size, count) == data[-count:], (size, count)


def _trailer(data):
    """Of an image, the end of which is looked at."""
    return verify.read_trailer(data[-518:])


def test_a_good_trailer():
    data = b"image" + trailer()
    record, length = _trailer(data)
    assert length == len(data) - 5
    assert record == {
        "version": "1.2.3", "board": "test-board", "build_time": "May 24 2024 10:33:41"
    }  # fmt: skip


def test_no_trailer():
    for data in (b"", b"O", b"OTAT"[:3], b"image", b"OTAT" + bytes(20), trailer() + b"\0"):
        assert _trailer(data) == (None, 0)


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
    data = b"x" * 9 + raw_trailer(fits)
    assert _trailer(data)[1] == len(data) - 9
    raises_code(errors.HEADER_INVALID, _trailer, raw_trailer(base + b" " * (512 - len(base)) + b"}"))


def _identity(record, header_version, offered=(1, 2, 3), accept=False, kind="wm"):
    found = slot.Header(header_version, 0, 0, 0)
    config = settings(board="board", accept_unversioned=accept, image=kind)
    return verify.check_identity(record, found, offered, config)


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


def test_an_esp32_image_without_trailer_could_be_of_any_product():
    """A W80x image is one by its header; raw ones name no version either."""
    for version in ("1.2.3", "", "1.2.4"):
        raises_code(errors.WRONG_BOARD, lambda version=version: _identity(None, version, kind="esp32"))
    raises_code(errors.VERSION_UNKNOWN, lambda: _identity(None, "", kind="raw"))
    assert _identity(_record(), "", kind="esp32") is False
    assert _identity(None, "1.2.3", accept=True, kind="esp32") is False
    assert _identity(None, "", accept=True, kind="esp32") is True
    raises_code(errors.HEADER_INVALID, lambda: _identity(None, "1.2.4", accept=True, kind="esp32"))
