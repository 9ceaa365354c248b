"""The first 64 bytes of a slot, without which nothing boots from it: written last, taken away first.

partition: as for slot.Slot. All functions raise OtaError(FLASH).
"""

from micropython import const

from . import errors
from .slot import HEAD, Slot, flash_error

_IOCTL_ERASE = const(6)
_BLANK = b"\xff" * HEAD


def release(partition, head):
    """Write the bytes held back and check them: they need no erase, because they are still 0xFF."""
    try:
        partition.writeblocks(0, head, 0)
    except OSError as error:
        raise flash_error("head", error)
    if _read(partition) != head:
        raise errors.OtaError(errors.FLASH, "head reads back wrong")


def is_blank(partition):
    """Do they stand at 0xFF?"""
    return _read(partition) == _BLANK


def remove(partition, block):
    """After a reboot: a head that the power cut in half is taken out again. block: a bytearray, see
    slot.Slot."""
    if is_blank(partition):
        return
    slot = Slot(partition, block)
    slot.read_block(0)
    slot.blank_head()
    try:
        partition.writeblocks(0, slot.block)
    except OSError as error:
        raise flash_error("block 0", error)


def invalidate(partition):
    """Erase the first block unless its head is blank, so that nothing can boot from here."""
    if is_blank(partition):
        return
    try:
        partition.ioctl(_IOCTL_ERASE, 0)
    except OSError as error:
        raise flash_error("erase", error)


def _read(partition):
    head = bytearray(HEAD)
    try:
        partition.readblocks(0, head, 0)
    except OSError as error:
        raise flash_error("head", error)
    return head
