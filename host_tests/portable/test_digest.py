"""device.judge: the digest over flash, the body's CRC, the signature, and who the image is for."""

import gc
import hashlib

import makeoffer
import signer
from check import raises_code, run, settings
from fakekeys import Keys
from makeimage import content, crc, esp32, raw_trailer, trailer, wm
from nor import Nor

from device import errors, image, judge
from device.slot import Slot

PROVES = {
    errors.CRC_ERROR: "test_a_body_that_is_not_the_crcs",
    errors.SHA256_ECDSA: "test_bits_flipped_in_flash_after_writing",
}

BLOCK = 4096


def _slot(data, blocks=3):
    gc.collect()  # a heap of 192 KiB holds a few of these, not many
    slot = Slot(Nor(blocks))
    for start in range(0, len(data), BLOCK):
        piece = data[start : start + BLOCK]
        slot.view[: len(piece)] = piece
        slot.write_block(len(piece))
    return slot


def _judge(kind, data, slot=None, signed=None, version="1.2.3", **changes):
    """Judge data as an offer that is signed over `signed` (default: data)."""
    offer = makeoffer.offer(size=len(data), version=version)
    offer.signature = signer.sign(data if signed is None else signed)
    header = image.read_header(kind, data, len(data), None)
    config = settings(image=kind, **changes)
    return run(judge.judge(slot or _slot(data), offer, header, Keys(), config))


def test_digest_for_sizes_around_every_border():
    for size in (1, 2, 55, 56, 63, 64, 65, 127, 4031, 4095, 4096, 4097, 4160, 8191, 8192, 8193, 12288):
        data = content(size)
        for release in (False, True):
            slot = _slot(data)
            if release:
                slot.release_head()
            steps = []
            sha, _ = run(judge.digest(slot, size), steps.append)
            assert sha == hashlib.sha256(data).digest(), (size, release)
            assert len(steps) == (size + BLOCK - 1) // BLOCK // 2


def test_what_lies_behind_the_image_does_not_count():
    data = content(5000)
    nor = Nor(4)
    nor.data[:5000] = data
    sha, _ = run(judge.digest(Slot(nor), 5000))
    assert sha == hashlib.sha256(data).digest()


def test_body_crc_for_sizes_around_every_border():
    for size in (1, 100, 4031, 4032, 4033, 8127, 8128, 8129, 12000):
        for tail in (b"", b"tail" * 30):
            data = wm(content(size)) + tail
            header = image.Header("", 64 + size, 0, 0)
            _, found = run(judge.digest(_slot(data), len(data), header))
            assert found == crc(data[64 : 64 + size]), (size, len(tail))


def test_a_signed_image_of_each_kind_is_accepted():
    tail = trailer()
    for kind, make in (
        ("wm", lambda: wm(content(9000))),
        ("wm", lambda: wm(content(9000)) + tail),
        ("wm", lambda: wm(content(4032)) + tail),
        ("wm", lambda: wm(content(4000)) + tail),
        ("raw", lambda: content(9000) + tail),
        ("esp32", lambda: esp32(content(9000)) + tail),
        ("esp32", lambda: esp32(content(9000), b"1.2.3")),
    ):
        data = make()
        record = _judge(kind, data)
        assert record == {
            "version": "1.2.3",
            "build_time": "May 24 2024 10:33:41" if data.endswith(tail) else "",
            "size": len(data),
            "digest": "".join("%02x" % byte for byte in hashlib.sha256(data).digest()),
            "signer": "owner",
            "next_key": "",
        }, kind


def test_bits_flipped_in_flash_after_writing():
    data = esp32(content(9000)) + trailer()
    for position in (64, 500, 4095, 4096, 8191, 8192, len(data) - 1):
        slot = _slot(data)
        slot._partition.data[position] ^= 1
        raises_code(errors.SHA256_ECDSA, _judge, "esp32", data, slot)


def test_a_body_that_is_not_the_crcs():
    data = wm(content(9000))
    for position in (64, 4095, 4096, len(data) - 1):
        slot = _slot(data)
        slot._partition.data[position] ^= 0x80
        raises_code(errors.CRC_ERROR, _judge, "wm", data, slot)


def test_a_signature_over_something_else():
    data = wm(content(9000))
    for other in (b"", data[:-1], data + b"\0", wm(content(9000, 2))):
        raises_code(errors.SHA256_ECDSA, _judge, "wm", data, None, other)


def test_the_signature_is_judged_before_the_identity():
    data = wm(content(500)) + trailer(board="other")
    raises_code(errors.SHA256_ECDSA, _judge, "wm", data, None, b"")
    raises_code(errors.WRONG_BOARD, _judge, "wm", data)


def test_identities_inside_signed_images():
    body = esp32(content(5000))
    raises_code(errors.HEADER_INVALID, _judge, "esp32", body + trailer("1.2.4"))
    raises_code(errors.HEADER_INVALID, _judge, "esp32", body + raw_trailer(b"{}"))
    raises_code(errors.VERSION_UNKNOWN, _judge, "esp32", body)
    raises_code(errors.SIZE_MISMATCH, _judge, "wm", wm(content(5000)) + b"\0" + trailer())
    raises_code(errors.SIZE_MISMATCH, _judge, "wm", wm(content(5000)) + b"\0")
    data = wm(content(5000), version=b"2.0.5dev")
    raises_code(errors.VERSION_UNKNOWN, _judge, "wm", data)
    assert _judge("wm", data, accept_unversioned=True)["version"] == "1.2.3"


def test_a_trailer_across_two_blocks():
    tail = trailer()
    for missing in range(0, len(tail), 7):
        data = content(BLOCK - len(tail) + missing) + tail
        assert _judge("raw", data)["build_time"] == "May 24 2024 10:33:41", missing
