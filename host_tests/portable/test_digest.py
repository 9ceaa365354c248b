"""device.digest: over flash, with the bytes held back where they belong, and the CRC of a body."""

import gc
import hashlib

from check import raises_code, run
from fakeagent import FakeAgent
from makeimage import content, crc, wm
from nor import Nor

from device import digest, errors
from device.slot import Slot

PROVES = {errors.FLASH: "test_flash_that_cannot_be_read"}

BLOCK = 4096


def _slot(data, blocks=3):
    gc.collect()  # a heap of 192 KiB holds a few of these, not many
    slot = Slot(Nor(blocks), bytearray(BLOCK))
    for start in range(0, len(data), BLOCK):
        piece = data[start : start + BLOCK]
        slot.view[: len(piece)] = piece
        slot.write_block(len(piece))
    return slot


def test_digest_for_sizes_around_every_border():
    for size in (1, 2, 55, 56, 63, 64, 65, 127, 4031, 4095, 4096, 4097, 4160, 8191, 8192, 8193, 12288):
        data = content(size)
        for release in (False, True):
            slot = _slot(data)
            if release:
                slot.release_head()
            steps = []
            sha, _ = run(digest.read(slot, size), steps.append)
            assert sha == hashlib.sha256(data).digest(), (size, release)
            assert len(steps) == (size + BLOCK - 1) // BLOCK // 2


def test_what_lies_behind_the_image_does_not_count():
    data = content(5000)
    nor = Nor(4)
    nor.data[:5000] = data
    sha, _ = run(digest.read(Slot(nor, bytearray(BLOCK)), 5000))
    assert sha == hashlib.sha256(data).digest()


def test_body_crc_for_sizes_around_every_border():
    for size in (1, 100, 4031, 4032, 4033, 8127, 8128, 8129, 12000):
        for tail in (b"", b"tail" * 30):
            data = wm(content(size)) + tail
            _, found = run(digest.read(_slot(data), len(data), 64 + size))
            assert found == crc(data[64 : 64 + size]), (size, len(tail))


def test_what_a_partition_holds():
    data = content(5000)
    nor = Nor(2)
    nor.data[:5000] = data
    agent = FakeAgent()
    sha = hashlib.sha256(data).digest().hex()
    assert run(digest.holds(agent, nor, 5000, sha)) is True
    assert run(digest.holds(agent, nor, 4999, sha)) is False
    assert run(digest.holds(agent, nor, 1 << 31, sha)) is False
    nor.data[10] ^= 1
    assert run(digest.holds(agent, nor, 5000, sha)) is False


def test_flash_that_cannot_be_read():
    nor = Nor(2)
    nor.fail_at = 1
    raises_code(errors.FLASH, run, digest.holds(FakeAgent(), nor, 5000, "ab" * 32))
