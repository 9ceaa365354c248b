"""The first 64 bytes of a slot, without which nothing boots from it: written last, taken away first.

partition: as in slot.py. All functions raise OtaError(FLASH).
"""

from micropython import const

from . import errors

_HEAD = const(64)  # as in slot.py
_IOCTL_ERASE = const(6)
_BLANK = b"\xff" * _HEAD


def release(partition, head):
    """Write the bytes held back and check them: they need no erase, because they are still 0xFF."""
    try:
        partition.writeblocks(0, head, 0)
    except OSError as error:
        raise errors.OtaError(errors.FLASH, "head: %s" % error)
    if _read(partition) != head:
        raise errors.OtaError(errors.FLASH, "head reads back wrong")


def is_blank(partition):
    """Are they all 0xFF?"""
    return _read(partition) == _BLANK


def invalidate(partition):
    """Erase the first block unless its head is blank, so that nothing can boot from here."""
    if is_blank(partition):
        return
    try:
        partition.ioctl(_IOCTL_ERASE, 0)
    except OSError as error:
        raise errors.OtaError(errors.FLASH, "erase: %s" % error)


def _read(partition):
    head = bytearray(_HEAD)
    try:
        partition.readblocks(0, head, 0)
    except OSError as error:
        raise errors.OtaError(errors.FLASH, "head: %s" % error)
    return head
