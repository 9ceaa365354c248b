"""Writes the record that survives reboots, see state.py, twice and with a CRC.

As a whole, and then a second time beside it, for the day on which the first is damaged.

A file system that others have filled still takes it: a file that was laid in reserve is given up for it, and
taken back afterwards.
"""

import binascii
import io
import json
import os

from micropython import const

from . import errors, files, log

PATH = "ota_state.json"
_EFBIG = const(27)
_FULL = (28, 36)  # ENOSPC; LittleFS: no room for a new name
_RESERVE = "ota_reserve"
MIN_VERSION = "ota_floor"
_RESERVED = const(8192)  # bytes: two blocks


def save(state, path=PATH):
    """Raises OtaError(FLASH) if the file system does not take it."""
    try:
        try:
            _replace(path, state)
        except OSError as error:
            if error.args[0] not in _FULL or not _remove(_RESERVE):
                raise
            try:
                _replace(path, state)
            finally:
                take_reserve()
    except OSError as error:
        facts = [("free", _free())] if error.args[0] in _FULL else ()
        raise errors.OtaError(errors.FLASH, "%s: %s" % (path, error), facts)


def _replace(path, state):
    def write(file):
        json.dump(state, file)
        file.write(mark(checksum.value))

    checksum = _Checksum()
    json.dump(state, checksum)
    files.write(path + ".new", write)
    files.rename(path + ".new", path)
    try:
        files.write(path + ".old", write)
    except OSError as error:  # it does without
        if error.args[0] not in _FULL:
            raise
        _remove(path + ".old")


class _Checksum(io.IOBase):
    """A file that keeps nothing of what is written but the CRC-32."""

    value = 0

    def write(self, data):
        self.value = binascii.crc32(data if isinstance(data, bytearray) else data.encode(), self.value)
        return len(data)


def mark(checksum):
    """What follows the JSON: a space or a tab for each bit. Other images skip white space."""
    return "".join("\t" if checksum >> bit & 1 else " " for bit in range(32))


def take_reserve():
    """If it is not there. Where there is no room for it, the next start tries again."""
    try:
        files.read(_RESERVE, _RESERVED - 1)
    except OSError as error:
        if error.args[0] == _EFBIG:
            return

    def write(file):
        for _ in range(_RESERVED >> 9):
            file.write(zeros)

    zeros = "0" * 512
    try:
        files.write(_RESERVE, write)
    except OSError as error:
        log.warning("no room in reserve: %s" % error)


def keep_lowest(version):
    """The highest version ever confirmed, in a file of its own, which stays where the record is deleted or
    damaged. LittleFS rewrites so short a file in place, also where it is full."""
    try:
        files.write(MIN_VERSION, lowest_text(version.encode()))
    except OSError as error:
        log.error("%s: %s" % (MIN_VERSION, error))


def lowest_text(version):
    """bytes -> bytes."""
    return version + b" %08x" % binascii.crc32(version)


def _free():
    """Bytes; what is left is in blocks too small for what was to be written."""
    size, _, _, count = os.statvfs(".")[:4]
    return size * count


def _remove(path):
    """Returns whether it was there."""
    try:
        files.remove(path)
        return True
    except OSError:
        return False
