"""The spare slot: writes whole blocks to flash once, reads them back, holds back the first 64 bytes.

Works on any object with the block protocol of `esp32.Partition`: `ioctl(4|5, 0)`, `readblocks(n,
buf[, off])`, `writeblocks(n, buf)` (erases, then writes) and `writeblocks(n, buf, off)` (writes only).
Until trial.release_head() the first 64 bytes exist in RAM only, so no boot loader can take the slot
for an image; programming them needs no erase, because they are still 0xFF.
"""

from micropython import const

from . import errors

HEAD = const(64)  # bytes that are held back; the size of a W80x header
_IOCTL_BLOCKS = const(4)
_IOCTL_BLOCK_SIZE = const(5)
_READ_BACK = const(1024)  # bytes compared at a time
_CHUNK = const(64)
_ERASED = b"\xff" * _CHUNK


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
