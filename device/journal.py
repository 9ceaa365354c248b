"""How far a download has come, kept where a power cut cannot take it: two checksummed records in turn.

A cut inside a write spoils one record; the other still tells the checkpoint before it. A record binds
the position to one offer by a hash over signature, version and size. Layout, little-endian: magic, u32
sequence, u32 position, 32 bytes binding, u8 length of the ETag, ETag, CRC-32 of all that.
"""

import binascii
import hashlib
import struct

from micropython import const

from . import files, log

_MAGIC = b"OTJ1"  # another layout gets another magic, and images that do not know it start at byte 0
_HEAD = "<4sII32sB"
_HEAD_SIZE = const(45)
_CRC_SIZE = const(4)
_LONGEST = const(45 + 128 + 4)


class Journal:
    """position: bytes of the bound offer's image that are in the slot; etag: of the file they came from."""

    def __init__(self, path):
        """path: of the two files, without ".0" and ".1"."""
        self._names = (path + ".0", path + ".1")
        self._sequence = 0
        self._binding = b""
        self.position = 0
        self.etag = None

    def bind(self, offer):
        """Find the checkpoint of this messages.Offer: position 0 if there is none."""
        text = "%s %d" % (offer.version, offer.size)
        self._binding = hashlib.sha256(offer.signature + text.encode()).digest()
        self.position, self.etag = 0, None
        records = [self._read(name) for name in self._names]
        newest = max((r for r in records if r), key=lambda record: record[0], default=None)
        if newest:
            self._sequence = newest[0] + 1
            if newest[2] == self._binding:
                _, self.position, _, self.etag = newest

    def save(self, position, etag):
        """A journal that cannot be written costs a resume, not the update."""
        self.position, self.etag = position, etag
        tag = (etag or "").encode()
        end = _HEAD_SIZE + len(tag)
        record = bytearray(end + _CRC_SIZE)
        struct.pack_into(_HEAD, record, 0, _MAGIC, self._sequence, position, self._binding, len(tag))
        record[_HEAD_SIZE:end] = tag
        struct.pack_into("<I", record, end, binascii.crc32(memoryview(record)[:end]))
        try:
            files.write(self._names[self._sequence & 1], record)
        except OSError as error:
            log.warning("journal: %r" % error)
        self._sequence += 1

    def forget(self):
        """Nothing of the bound offer's image may be counted on any more."""
        if self.position:
            self.save(0, None)

    def _read(self, name):
        """(sequence, position, binding, etag), or None for what is missing, torn or of another layout."""
        try:
            raw = files.read(name, _LONGEST)
        except OSError:
            return None
        if len(raw) < _HEAD_SIZE + _CRC_SIZE:
            return None
        (crc,) = struct.unpack("<I", raw[-_CRC_SIZE:])
        magic, sequence, position, binding, length = struct.unpack_from(_HEAD, raw)
        if magic != _MAGIC or crc != binascii.crc32(raw[:-_CRC_SIZE]):
            return None
        tag = raw[_HEAD_SIZE:-_CRC_SIZE]
        if len(tag) != length:
            return None
        try:
            return sequence, position, binding, tag.decode() if tag else None
        except UnicodeError:
            return None
