"""A partition in RAM with NOR rules: erase gives 0xFF, writing clears bits, faults on demand."""

import gc

EIO = 5


class Nor:
    """The block protocol of `esp32.Partition`.

    erases: count per block. operations: how many calls changed or read something.
    fail_at / ignore_at: number of the operation that raises OSError / of the write or erase that
    silently does nothing. writes: (block, offset or None, length) of each write.
    """

    def __init__(self, blocks=8, block_size=4096, fill=0x5A):
        self.block_size = block_size
        gc.collect()
        self.data = bytearray(blocks * block_size)
        for i in range(len(self.data)):
            self.data[i] = fill
        self.erases = [0] * blocks
        self.operations = 0
        self.fail_at = -1
        self.ignore_at = -1
        self.writes = []
        self.changes = []  # numbers of the operations that write or erase

    def holds(self, data):
        """Is that what it begins with? Compared without a copy."""
        return memoryview(self.data)[: len(data)] == data

    def holds_only(self, byte, first, end):
        """Is each byte of that span this one?"""
        return all(found == byte for found in memoryview(self.data)[first:end])

    def _count(self):
        number = self.operations
        self.operations += 1
        if number == self.fail_at:
            raise OSError(EIO, "flash")
        return number

    def _is_ignored(self):
        number = self._count()
        self.changes.append(number)
        return number == self.ignore_at

    def _start(self, block, offset, length):
        start = block * self.block_size + offset
        if block < 0 or start + length > len(self.data):
            raise OSError(22, "outside the partition")
        return start

    def ioctl(self, request, argument):
        if request == 4:
            return len(self.erases)
        if request == 5:
            return self.block_size
        if request == 6:
            if not self._is_ignored():
                self._erase(argument)
            return 0
        raise OSError(22, "ioctl")

    def readblocks(self, block, buffer, offset=0):
        self._count()
        start = self._start(block, offset, len(buffer))
        buffer[:] = memoryview(self.data)[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=None):
        if self._is_ignored():
            return
        start = self._start(block, offset or 0, len(buffer))
        self.writes.append((block, offset, len(buffer)))
        if offset is None:
            if len(buffer) != self.block_size:
                raise OSError(22, "not a whole block")
            self._erase(block)
        elif any(new & ~old for old, new in zip(memoryview(self.data)[start:], buffer)):
            raise OSError(EIO, "write to flash that is not erased")
        memoryview(self.data)[start : start + len(buffer)] = buffer

    def _erase(self, block):
        start = self._start(block, 0, self.block_size)
        memoryview(self.data)[start : start + self.block_size] = b"\xff" * self.block_size
        self.erases[block] += 1
