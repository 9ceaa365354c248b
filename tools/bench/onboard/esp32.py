"""Partition over one file each, in as few instructions as possible; ESP-IDF's boot record, of which only the
first entry is used. A probe that sets `erases` has counted what is read, written and erased."""

import binascii
import struct

_BLOCK = 4096
_NEW, _PENDING, _VALID = 0, 1, 2
_ENTRY = "<I20sII"

erases = None  # of each block of ota_1: a bytearray where that is counted
bytes_read = 0  # of ota_1
blocks_written = 0  # into ota_1, with their erase


def _entry():
    """(sequence, state) of the boot record: slot ota_0 has sequence 1; (1, None) before any update."""
    otadata = Partition("otadata")
    raw = bytearray(32)
    otadata.readblocks(0, raw, 0)
    sequence, _, state, _ = struct.unpack(_ENTRY, raw)
    return (1, None) if sequence == 0xFFFFFFFF else (sequence, state)


def _set_entry(sequence, state):
    crc = binascii.crc32(struct.pack("<I", sequence), 0xFFFFFFFF)
    file = open("otadata", "r+b")
    file.write(struct.pack(_ENTRY, sequence, b"\xff" * 20, state, crc))
    file.close()


def start():
    """What the boot loader does: a new image gets its one boot."""
    sequence, state = _entry()
    if state == _NEW:
        _set_entry(sequence, _PENDING)


class Partition:
    BOOT, RUNNING = 0, 1
    TYPE_APP, TYPE_DATA = 0, 1

    def __init__(self, which):
        if which in (Partition.BOOT, Partition.RUNNING):  # no boot follows a set_boot() in one process
            which = "ota_%d" % ((_entry()[0] if which == Partition.BOOT else _running) - 1)
        self.label = which
        self._counts = erases is not None and which == "ota_1"
        self._file = open(which, "r+b")

    @staticmethod
    def find(kind, subtype):
        return [Partition("otadata")]

    def info(self):
        return (0, 0, 0, 0, self.label, False)

    def get_next_update(self):
        return Partition("ota_0" if self.label == "ota_1" else "ota_1")

    def set_boot(self):
        _set_entry(int(self.label[-1]) + 1, _NEW)

    @staticmethod
    def mark_app_valid_cancel_rollback():
        sequence, state = _entry()
        if state is None:
            raise OSError(1, "ESP_FAIL")
        _set_entry(sequence, _VALID)

    def readblocks(self, block, buffer, offset=0):
        global bytes_read
        self._file.seek(block * _BLOCK + offset)
        self._file.readinto(buffer)
        if self._counts:
            bytes_read += len(buffer)

    def writeblocks(self, block, buffer, offset=None):
        global blocks_written
        self._file.seek(block * _BLOCK + (offset or 0))
        self._file.write(buffer)
        if self._counts and offset is None:
            erases[block] += 1
            blocks_written += 1

    def ioctl(self, request, argument):
        if request == 4:
            return self._file.seek(0, 2) // _BLOCK
        if request == 5:
            return _BLOCK
        if request == 6 and self._counts:
            erases[argument] += 1
            self.writeblocks(argument, b"\xff" * _BLOCK, 0)
        return 0


_running = _entry()[0]
