"""The spare slot: writes each block to flash once, reads it back, holds back the first 64 bytes.

And what the first bytes of an image say: is it of the configured kind, for which chip, of which version.

Works on any object with the block protocol of `esp32.Partition`: `ioctl(4|5, 0)`, `readblocks(n,
buf[, off])`, `writeblocks(n, buf)` (erases, then writes) and `writeblocks(n, buf, off)` (writes only).
Until trial.release_head() the first 64 bytes exist in RAM only, so no boot loader can take the slot
for an image; programming them needs no erase, because they are still 0xFF.
"""

import struct
from collections import namedtuple

from micropython import const

from . import errors, phases

HEAD = const(64)  # bytes that are held back; the size of a W80x header
_IOCTL_BLOCKS = const(4)
_IOCTL_BLOCK_SIZE = const(5)
_READ_BACK = const(1024)  # bytes compared at a time
_CHUNK = const(64)
_ERASED = b"\xff" * _CHUNK
_ESP32_MAGIC = const(0xE9)
_ESP32_DESC_MAGIC = 0xABCD5432
_ESP32_HEADER = const(96)

# version: str, "" where it names none. body_end: where the CRC'd body ends (wm), else 0. body_crc: the CRC
# the body must have. file_end: where a trailer may begin, 0 = not known.
Header = namedtuple("Header", ("version", "body_end", "body_crc", "file_end"))


def measure(partition):
    """(bytes of a block, bytes of all)."""
    size = partition.ioctl(_IOCTL_BLOCK_SIZE, 0)
    return size, partition.ioctl(_IOCTL_BLOCKS, 0) * size


class Slot:
    """One image on its way into a partition."""

    def __init__(self, partition, block=None, head=None, read_back=None):
        """block: a bytearray, used if it is as long as the partition's blocks. head: the first bytes of the
        image, where they are held back already. read_back: a bytearray, for write_block()."""
        self._readblocks = partition.readblocks  # bound once: binding allocates
        self._writeblocks = partition.writeblocks
        self.block_size, self.capacity = measure(partition)
        self.block = block if block and len(block) == self.block_size else bytearray(self.block_size)
        self.view = memoryview(self.block)
        self._read_back, self._pieces = read_back, None
        self.head = head  # the first bytes of the image, while they are held back
        self.position = 0  # bytes of the image that are in place

    def write_block(self, count):
        """Put block[:count] at `position` and check it. Raises OtaError(FLASH).

        Every block but the last must be full. The rest of the last one is written as 0xFF. Before the first
        one hold_head() must have been called.
        """
        if count < self.block_size:
            self._pad(count)
        if self.position == 0:
            self.blank_head()
        if not self._pieces:
            self._cut_pieces()
        number = self.position // self.block_size
        try:
            self._writeblocks(number, self.block)
            for offset, piece in self._pieces:
                self._readblocks(number, self._read_back, offset)
                if self._read_back != piece:
                    raise errors.OtaError(errors.FLASH, "block %d reads back wrong" % number)
        except OSError as error:
            raise flash_error("block %d" % number, error)
        self.position += count

    def rewrite(self, number):
        """Put `block` into a block that was in use. Raises OtaError(FLASH)."""
        try:
            self._writeblocks(number, self.block)
        except OSError as error:
            raise flash_error("block %d" % number, error)

    def _cut_pieces(self):
        if not self._read_back or self.block_size % len(self._read_back):
            self._read_back = bytearray(min(_READ_BACK, self.block_size))
        count = len(self._read_back)
        self._pieces = [(i, self.view[i : i + count]) for i in range(0, self.block_size, count)]

    def hold_head(self):
        """Keep the first 64 bytes of `block`, which are the image's, in RAM."""
        self.head = bytes(self.view[:HEAD])

    def _pad(self, start):
        """0xFF to the end of `block`: byte by byte to a whole chunk, because one loop over all takes long."""
        while start % _CHUNK:
            self.block[start] = 0xFF
            start += 1
        for chunk in range(start, self.block_size, _CHUNK):
            self.view[chunk : chunk + _CHUNK] = _ERASED

    def blank_head(self):
        for i in range(HEAD):
            self.block[i] = 0xFF

    def read_block(self, number):
        """Fill `block` from flash, with the held-back bytes where they belong. Raises OtaError(FLASH)."""
        try:
            self._readblocks(number, self.block, 0)
        except OSError as error:
            raise flash_error("block %d" % number, error)
        if number == 0 and self.head:
            self.view[:HEAD] = self.head


def flash_error(what, error):
    return errors.OtaError(errors.FLASH, "%s: %s" % (what, error))


def receive_head(transfer):
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
