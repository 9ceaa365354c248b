"""The spare slot: writes whole blocks to flash once, reads them back, holds back the first 64 bytes.

Works on any object with the block protocol of `esp32.Partition`: `ioctl(4|5, 0)`, `readblocks(n,
buf[, off])`, `writeblocks(n, buf)` (erases, then writes) and `writeblocks(n, buf, off)` (writes only).
Until `release_head()` the first 64 bytes exist in RAM only, so no boot loader can take the slot
for an image; programming them needs no erase, because they are still 0xFF.
"""

from micropython import const

from . import errors, image

_IOCTL_BLOCKS = const(4)
_IOCTL_BLOCK_SIZE = const(5)
_IOCTL_ERASE = const(6)
_READ_BACK = const(512)  # bytes compared at a time
_block = bytearray(4096)  # of the only slot in use; made at import, while the heap is whole


class Slot:
    """One image on its way into a partition."""

    def __init__(self, partition):
        self._partition = partition
        self._readblocks = partition.readblocks  # bound once: binding allocates
        self._writeblocks = partition.writeblocks
        self.block_size = partition.ioctl(_IOCTL_BLOCK_SIZE, 0)
        self.capacity = partition.ioctl(_IOCTL_BLOCKS, 0) * self.block_size
        self.block = _block if self.block_size == len(_block) else bytearray(self.block_size)
        self.view = memoryview(self.block)
        self._pieces = [
            self.view[i : i + _READ_BACK] for i in range(0, self.block_size, _READ_BACK)
        ]
        self._read_back = bytearray(_READ_BACK)
        self._head = bytearray(image.HEAD)
        self._holds_head = False
        self.position = 0  # bytes of the image that are in place

    def restart(self):
        self.position = 0

    def resume(self, position):
        """Go on after a reboot: the blocks before `position` are in place, but for the first 64 bytes. A head
        that the power cut in half is taken out again. Raises OtaError(FLASH)."""
        if not self.is_head_blank():
            self.read_block(0)
            for i in range(image.HEAD):
                self.block[i] = 0xFF
            self._program(0)
        self.position = position

    @property
    def lacks_head(self):
        return self.position > 0 and not self._holds_head

    def write_block(self, count):
        """Put block[:count] at `position` and check it. Raises OtaError(FLASH).

        Every block but the last must be full. The rest of the last one is written as 0xFF.
        """
        for i in range(count, self.block_size):
            self.block[i] = 0xFF
        if self.position == 0:
            self.hold_head()
            for i in range(image.HEAD):
                self.block[i] = 0xFF
        number = self.position // self.block_size
        self._program(number)
        for i in range(len(self._pieces)):
            self._read(number, self._read_back, i * _READ_BACK)
            if self._read_back != self._pieces[i]:
                raise errors.OtaError(errors.FLASH, "block %d reads back wrong" % number)
        self.position += count

    def hold_head(self):
        """Keep the first 64 bytes of `block`, which are the image's, in RAM."""
        for i in range(image.HEAD):
            self._head[i] = self.block[i]
        self._holds_head = True

    def read_block(self, number):
        """Fill `block` from flash, with the held-back bytes where they belong. Raises OtaError(FLASH)."""
        self._read(number, self.block, 0)
        if number == 0 and self._holds_head:
            self.view[: image.HEAD] = self._head

    def read(self, offset, count):
        """bytes [offset, offset + count) of the image; for small reads, overwrites `block`."""
        result = bytearray()
        while count:
            self.read_block(offset // self.block_size)
            start = offset % self.block_size
            piece = self.view[start : start + count]
            result.extend(piece)
            offset += len(piece)
            count -= len(piece)
        return bytes(result)

    def release_head(self):
        """Write the bytes held back and check them. Raises OtaError(FLASH)."""
        try:
            self._writeblocks(0, self._head, 0)
        except OSError as error:
            raise errors.OtaError(errors.FLASH, "head: %s" % error)
        check = bytearray(image.HEAD)
        self._read(0, check, 0)
        if check != self._head:
            raise errors.OtaError(errors.FLASH, "head reads back wrong")
        self._holds_head = False

    def is_head_blank(self):
        """Do the first 64 bytes of the flash stand at 0xFF? Raises OtaError(FLASH)."""
        head = bytearray(image.HEAD)
        self._read(0, head, 0)
        return head == b"\xff" * image.HEAD

    def invalidate(self):
        """Erase the first block unless its head is blank, so that nothing can boot from here. Raises
        OtaError(FLASH)."""
        if self.is_head_blank():
            return
        try:
            self._partition.ioctl(_IOCTL_ERASE, 0)
        except OSError as error:
            raise errors.OtaError(errors.FLASH, "erase: %s" % error)

    def _program(self, number):
        """Erase a block and write `block` to it."""
        try:
            self._writeblocks(number, self.block)
        except OSError as error:
            raise errors.OtaError(errors.FLASH, "block %d: %s" % (number, error))

    def _read(self, number, buffer, offset):
        try:
            self._readblocks(number, buffer, offset)
        except OSError as error:
            raise errors.OtaError(errors.FLASH, "block %d: %s" % (number, error))
