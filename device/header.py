"""The first bytes of an image: are they of the configured kind, for which board, of which version."""

import struct
from collections import namedtuple

from micropython import const

from . import errors, phases
from .slot import HEAD, Slot

_ESP32_MAGIC = const(0xE9)
_ESP32_DESC_MAGIC = 0xABCD5432
_ESP32_HEADER = const(96)

# version: str, "" where it names none. body_end: where the CRC'd body ends (wm), else 0. body_crc: the CRC
# the body must have. file_end: where a trailer may begin, 0 = not known.
Header = namedtuple("Header", ("version", "body_end", "body_crc", "file_end"))


def receive(transfer):
    """Generator: take the head of the image from transfer.stream: with the first block, which download.py
    then writes; after a reboot by itself. transfer: update.Transfer. Raises OtaError: those of
    read_header(), TIMEOUT, CONNECTION_FAILED, FLASH."""
    agent, stream, size = transfer.agent, transfer.stream, transfer.offer.size
    slot = Slot(transfer.partition, transfer.block)
    count = HEAD if transfer.position else min(slot.block_size, size)
    got = stream.readinto(slot.block, count)
    yield from stream.fill(slot.view, count, got, agent.config.http_timeout_s * 1000, agent.check_wifi)
    slot.hold_head()
    if transfer.position:
        slot.read_block(0)
    transfer.header = read_header(agent.config.image, slot.block, size, transfer.chip)
    transfer.head = slot.head
    transfer.block = slot.block  # of another size where the partition's blocks are
    transfer.has_block = not transfer.position


def read_header(kind, block, size, chip):
    """kind: "wm", "esp32" or "raw"; block: the first bytes of the image (96 are enough);
    size: of the whole file; chip: this board's ESP chip id, None = unknown. Returns a Header.

    Raises OtaError: HEADER_INVALID, SIZE_MISMATCH, WRONG_BOARD.
    """
    if kind == "wm":
        return phases.call("wm", "read_header", block, size)
    if kind == "esp32":
        return _esp32_header(block, size, chip)
    return Header("", 0, 0, 0)


def _esp32_header(block, size, chip):
    if size < _ESP32_HEADER or block[0] != _ESP32_MAGIC:
        raise errors.OtaError(errors.HEADER_INVALID, "not an ESP32 application image")
    (image_chip,) = struct.unpack_from("<H", block, 12)
    (desc_magic,) = struct.unpack_from("<I", block, 32)
    if desc_magic != _ESP32_DESC_MAGIC:
        raise errors.OtaError(errors.HEADER_INVALID, "no application description")
    if chip is not None and image_chip != chip:
        raise errors.OtaError(errors.WRONG_BOARD, "image for chip %d, this is %d" % (image_chip, chip))
    return Header(padded_text(block, 48, 32), 0, 0, 0)


def padded_text(block, start, length):
    """A text padded with NUL; "" if it holds anything but printable ASCII."""
    raw = bytes(memoryview(block)[start : start + length]).split(b"\0", 1)[0]
    if not all(0x20 <= byte < 0x7F for byte in raw):
        return ""
    return raw.decode()
