"""The block loop: the image on its way from the file server into the slot.

The journal gets a checkpoint at most once an interval. Interrupted by whatever, it goes on at the last whole
block; after a reboot at the last checkpoint, and the 64 bytes that the slot had held back are fetched again
first.
"""

import struct
import time
from collections import namedtuple

from micropython import const

from . import errors, phases
from .journal import Journal
from .slot import HEAD, Slot

_ESP32_MAGIC = const(0xE9)
_ESP32_DESC_MAGIC = 0xABCD5432
_ESP32_HEADER = const(96)

# What the first bytes of an image say. version: str, "" where it names none. body_end: where the CRC'd body
# ends (wm), else 0. body_crc: the CRC the body must have. file_end: where a trailer may begin, 0 = not known.
Header = namedtuple("Header", ("version", "body_end", "body_crc", "file_end"))


def receive(transfer):
    """Generator: what transfer.stream gives, into the slot. A step is a block, a checkpoint or a report: the
    first allocates nothing while the blocks come whole. Raises OtaError."""
    slot = Slot(transfer.partition, transfer.block, transfer.head, transfer.read_back)
    readinto, block, size = transfer.stream.readinto, slot.block, transfer.offer.size
    transfer.report()
    if transfer.position and not transfer.head:
        yield from _fill(transfer, slot, HEAD, readinto(block, HEAD))
        slot.hold_head()
        slot.read_block(0)
        _take_head(transfer, slot)
        return
    journal = Journal(transfer.offer)
    checkpoint = transfer.agent.config.checkpoint_kib * 1024
    want = slot.block_size
    slot.position = transfer.position
    while slot.position < size:
        if size - slot.position < want:
            want = size - slot.position
        got = readinto(block, want)
        if got != want:
            yield from _fill(transfer, slot, want, got)
        if slot.position == 0:
            slot.hold_head()
            _take_head(transfer, slot)
        slot.write_block(want)
        transfer.position = slot.position
        transfer.progressed_ms = time.ticks_ms()
        transfer.granted_ms = transfer.pause_ms = 0
        yield
        if journal.position + checkpoint <= slot.position < size:
            journal.save(slot.position, transfer.etag)
            yield
        if slot.position >= transfer.report_at:
            transfer.report()
            yield


def _fill(transfer, slot, want, got):
    """Generator: read the rest of block[:want] after a read that gave `got`; a trickle counts as a
    stall. Raises OtaError."""
    started = time.ticks_ms()
    agent, stream = transfer.agent, transfer.stream
    done = got or 0
    while done < want:
        if got == 0:
            raise errors.OtaError(errors.CONNECTION_FAILED, "connection closed early")
        if got is None:
            agent.check_wifi()
            stream.stall(started, agent.config.http_timeout_s * 1000)
            yield
        got = stream.readinto(slot.view[done:want])
        done += got or 0


def _take_head(transfer, slot):
    """slot.block holds the first block of the image. Raises OtaError, see read_header()."""
    transfer.head = slot.head
    kind, size = transfer.agent.config.image, transfer.offer.size
    transfer.header = read_header(kind, slot.block, size, transfer.chip)


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
