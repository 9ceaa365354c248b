"""How far a download has come, kept where a power cut cannot take it: two checksummed records in turn.

A cut inside a write spoils one record; the other still tells the checkpoint before it. A record binds
the position to one offer by a hash over signature, version and size. Layout, little-endian: magic, u32
sequence, u32 position, 32 bytes binding, the ETag padded with NUL to 128 bytes, CRC-32 of all that.
"""

import binascii
import hashlib
import struct

from micropython import const

from . import files, log

_MAGIC = b"OTJ2"  # another layout gets another magic, and images that do not know it start at byte 0
_BODY = "<4sII32s128s"
_BINDING = const(12)  # where it begins
_ETAG = const(44)
_BODY_SIZE = const(172)
_SIZE = const(176)
_NAMES = ("ota_journal.0", "ota_journal.1")


def find(offer):
    """(bytes of this offer's image that are in the slot, ETag of the file they came from)."""
    journal = Journal(offer)
    return journal.position, journal.etag


def forget(offer):
    """Nothing of this offer's image may be counted on any more."""
    Journal(offer).forget()


class Journal:
    """position: bytes of the bound offer's image that are in the slot; etag: of the file they came from."""

    def __init__(self, offer):
        """Finds the checkpoint of this offer.Offer: position 0 if there is none."""
        self._record = bytearray(_SIZE)
        self._body = memoryview(self._record)[:_BODY_SIZE]
        self._sequence = 0
        text = "%s %d" % (offer.version, offer.size)
        self._record[_BINDING:_ETAG] = hashlib.sha256(offer.signature + text.encode()).digest()
        self.position, self.etag = 0, None
        records = [_read(name) for name in _NAMES]
        newest = max((r for r in records if r), key=lambda record: record[0], default=None)
        if newest:
            self._sequence = newest[0] + 1
            if newest[2] == self._record[_BINDING:_ETAG]:
                _, self.position, _, self.etag = newest

    def save(self, position, etag):
        """A journal that cannot be written costs a resume, not the update. etag: at most 128 bytes."""
        self.position, self.etag = position, etag
        tag = (etag or "").encode()
        struct.pack_into("<4sII", self._record, 0, _MAGIC, self._sequence, position)
        struct.pack_into("128s", self._record, _ETAG, tag)
        struct.pack_into("<I", self._record, _BODY_SIZE, binascii.crc32(self._body))
        try:
            files.write(_NAMES[self._sequence & 1], self._record)
        except OSError as error:
            log.warning("journal: %r" % error)
        self._sequence += 1

    def forget(self):
        """Nothing of the bound offer's image may be counted on any more."""
        if self.position:
            self.save(0, None)


def _read(name):
    """(sequence, position, binding, etag), or None for what is missing, torn or of another layout."""
    try:
        raw = files.read(name, _SIZE)
    except OSError:
        return None
    if len(raw) != _SIZE or raw[:4] != _MAGIC:
        return None
    _, sequence, position, binding, tag, crc = struct.unpack(_BODY + "I", raw)
    if crc != binascii.crc32(raw[:_BODY_SIZE]):
        return None
    try:
        return sequence, position, binding, tag.rstrip(b"\0").decode() or None
    except UnicodeError:
        return None
