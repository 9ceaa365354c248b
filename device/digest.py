"""The digest of an image where it lies: what is verified is what would boot, not what came over the wire."""

import binascii
import hashlib

from .slot import HEAD, Slot

_UINT32 = 0xFFFFFFFF


def of_image(agent, partition, head, header):
    """Generator: (SHA-256, CRC of the body of a wm image) of agent.offer's image; head: the bytes that are
    held back; header: image.Header. Raises OtaError(FLASH)."""
    slot = Slot(partition, agent.block, head)
    return (yield from read(slot, agent.offer.size, header.body_end))


def holds(agent, partition, size, digest):
    """Generator: do the first `size` bytes of this partition have this SHA-256, in hex? Raises
    OtaError(FLASH)."""
    slot = Slot(partition, agent.block)
    if size > slot.capacity:
        return False
    sha, _ = yield from read(slot, size)
    return sha.hex() == digest


def read(slot, size, body_end=0):
    """Generator, two blocks a step: returns (SHA-256 digest, CRC of the body of a wm image)."""
    sha = hashlib.sha256()
    crc = 0
    update = sha.update
    for number in range((size + slot.block_size - 1) // slot.block_size):
        slot.read_block(number)
        start = number * slot.block_size
        update(slot.block if start + slot.block_size <= size else slot.view[: size - start])
        if body_end:
            crc = _add_crc(crc, slot, start, body_end)
        if number & 1:
            yield
    return sha.digest(), ~crc & _UINT32


def _add_crc(crc, slot, start, body_end):
    first = HEAD if start == 0 else 0
    end = min(body_end - start, slot.block_size)
    return binascii.crc32(slot.view[first:end], crc) if end > first else crc
