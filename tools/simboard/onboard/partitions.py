"""The ESP32 partition table (ESP-IDF's binary format) and block devices on its entries."""

import struct

import flash

TABLE = 0x8000
APP, DATA = 0, 1
OTADATA_SUBTYPE, VFS_SUBTYPE = 0x00, 0x81

_ENTRY = "<HBBII16sI"
_MAGIC = 0x50AA
_ENTRY_SIZE = 32


class Region:
    """A part of the flash with the block protocol of `esp32.Partition`."""

    def __init__(self, kind, subtype, address, size, label):
        self.kind = kind
        self.subtype = subtype
        self.address = address
        self.size = size
        self.label = label

    def view(self):
        return flash.view(self.address, self.size)

    def _place(self, block, offset, size):
        start = block * flash.BLOCK + offset
        if block < 0 or offset < 0 or start + size > self.size:
            raise OSError(22, "outside partition " + self.label)
        return self.address + start

    def readblocks(self, block, buffer, offset=0):
        flash.read(self._place(block, offset, len(buffer)), buffer)

    def writeblocks(self, block, buffer, offset=None):
        """Without offset: erase, then write whole blocks. With offset: write only."""
        start = self._place(block, offset or 0, len(buffer))
        if offset is None:
            if len(buffer) % flash.BLOCK:
                raise OSError(22, "not a whole block")
            for address in range(start, start + len(buffer), flash.BLOCK):
                flash.erase(address)
        flash.write(start, buffer)

    def ioctl(self, request, argument):
        if request == 4:
            return self.size // flash.BLOCK
        if request == 5:
            return flash.BLOCK
        if request == 6:
            flash.erase(self._place(argument, 0, flash.BLOCK))
        return 0


def read_table():
    """The Regions of the table, in its order."""
    regions = []
    for index in range(95):
        entry = flash.view(TABLE + index * _ENTRY_SIZE, _ENTRY_SIZE)
        magic, kind, subtype, address, size, label, _ = struct.unpack(_ENTRY, entry)
        if magic != _MAGIC:
            break
        name = bytes(label).split(b"\0", 1)[0].decode()
        regions.append(Region(kind, subtype, address, size, name))
    return regions


def find(kind, subtype):
    return [region for region in read_table() if (region.kind, region.subtype) == (kind, subtype)]


def app_slots():
    return [region for region in read_table() if region.kind == APP]
