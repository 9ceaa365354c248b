"""Reads an image where it lies: what is verified is what would boot, not what came over the wire."""

import binascii
import hashlib

from . import errors
from .slot import HEAD, Slot

_UINT32 = 0xFFFFFFFF


def digest(transfer):
    """Generator, two blocks a step: SHA-256, 32 bytes, of what an update.Transfer has brought. Raises
    OtaError: CRC_ERROR (of a wm image), FLASH."""
    slot, header = Slot(transfer.partition, transfer.block, transfer.head), transfer.header
    sha, crc = yield from read_digest(slot, transfer.offer.size, header.body_end)
    if header.body_end and crc != header.body_crc:
        raise errors.OtaError(errors.CRC_ERROR, "body of the image")
    return sha


def holds(partition, size, digest):
    """Generator: do the first `size` bytes of this partition have this SHA-256, in hex? Raises
    OtaError(FLASH)."""
    slot = Slot(partition)
    if size > slot.capacity:
        return False
    sha, _ = yield from read_digest(slot, size)
    return sha.hex() == digest


def read_digest(slot, size, body_end=0):
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
