"""A download: asks the file server for what is missing of an image, and puts what comes into the slot.

Whatever interrupts it, it goes on at the last whole block; after a reboot at the last checkpoint, which
comes once per checkpoint_kib. Checkpoints are kept where a power cut cannot take them: two checksummed
records in turn, the journal. A cut inside a write spoils one record; the other still has the checkpoint
before it. A record binds the position to one offer by a hash over signature, version and size. Layout,
little-endian: magic, u32 sequence, u32 position, 32 bytes binding, the ETag padded with NUL to 128 bytes,
CRC-32 of all that.
"""

import binascii
import hashlib
import struct
import time

from micropython import const

from . import errors, files, log, phases  # slot only where it is used

_HEAD = const(64)  # as in slot.py
_PIECE = const(256)  # characters of a long URL that are copied at a time
_MAGIC = b"OTJ2"  # another layout gets another magic, and images without support for it start at byte 0
_BODY = "<4sII32s128s"
_BINDING = const(12)  # where it begins
_ETAG = const(44)
_BODY_SIZE = const(172)
_SIZE = const(176)
_NAMES = ("ota_journal.0", "ota_journal.1")


def clear(transfer):
    """The values of an update.Transfer before anything has happened."""
    transfer.context = transfer.read_back = transfer.stream = transfer.partition = None
    try:
        transfer.block = bytearray(4096)  # while the heap is whole
    except MemoryError:  # update.fetch() tries again, and then failure.py makes room
        transfer.block = None
    transfer.address, transfer.redirects = transfer.offer.address, 0
    transfer.etag = transfer.head = transfer.header = transfer.asked = transfer.retry_after = None
    transfer.position = transfer.furthest = transfer.restarts = transfer.report_at = 0
    transfer.granted_ms = transfer.pause_ms = 0
    transfer.is_spliced = transfer.has_block = transfer.was_refused = transfer.was_repeated = False
    transfer.began_ms = transfer.agent.progressed_ms = time.ticks_ms()


def find(offer):
    """(bytes of this offer's image that are in the slot, ETag of the file they came from)."""
    journal = Journal(offer)
    return journal.position, journal.etag


def forget(offer):
    """Nothing of this offer's image may be counted on any more."""
    Journal(offer).forget()


def prepare(transfer):
    """Into which slot, and where the last run was cut. Raises OtaError: NO_SLOT, FW_OVERFLOW, FLASH."""
    transfer.partition = phases.call("board", "spare")
    transfer.chip = phases.call("board", "chip")
    from .slot import Slot, measure  # after that, because less has to be in memory

    block_size, capacity = measure(transfer.partition)
    position, size = transfer.position, transfer.offer.size
    if size > capacity:
        raise errors.OtaError(errors.FW_OVERFLOW, "slot holds %d" % capacity)
    if not 0 < position < size or position % block_size:
        forget(transfer.offer)
        transfer.position, transfer.etag = 0, None
    else:
        log.info("going on at byte %d of %d" % (position, size))
        if not phases.call("trial", "is_head_blank", transfer.partition):
            _remove_head(Slot(transfer.partition, transfer.block))
        transfer.is_spliced = True


def _remove_head(slot):
    """The power has cut the writing of the head in half: it is taken out again."""
    slot.read_block(0)
    slot.blank_head()
    slot.rewrite(0)


def send(transfer):
    """Ask transfer.stream for what is missing, or for the head alone if only that is. transfer:
    update.Transfer. Raises OtaError."""
    lacks_head = transfer.position and not transfer.head
    first = 0 if lacks_head else transfer.position
    last = (_HEAD if lacks_head else transfer.offer.size) - 1
    transfer.asked = (first, last)
    scheme, host, port, url, start = transfer.address
    end = ending(scheme, host, port, span(first, last, transfer.offer.size), transfer.etag)
    piece = "GET " if url[start : start + 1] == "/" else "GET /"
    while len(url) - start > _PIECE:
        transfer.stream.write((piece + url[start : start + _PIECE]).encode())
        piece = ""
        start += _PIECE
    transfer.stream.write((piece + url[start:] + end).encode())


def span(first, last, size):
    """The value of the header Range for these bytes of a file of that size, "" for all of it."""
    if last + 1 < size:
        return "bytes=%d-%d" % (first, last)
    return "bytes=%d-" % first if first else ""


def ending(scheme, host, port, wanted, etag):
    """What follows the path in a GET. wanted: of span(); etag: of the file it must still be, None = any."""
    if port != (443 if scheme == "https" else 80):
        host = "%s:%d" % (host, port)
    lines = [" HTTP/1.1", "Host: " + host]
    lines.append("User-Agent: micropython-ota")
    lines.append("Accept-Encoding: identity")
    if wanted:
        lines.append("Range: " + wanted)
        if etag:
            lines.append("If-Range: " + etag)
    lines.append("Connection: close\r\n\r\n")
    return "\r\n".join(lines)


def receive(transfer):
    """Generator: what transfer.stream gives, after the bytes that are in transfer.block already, into the
    slot. A step is a block, a checkpoint or a report; a block allocates nothing while blocks come whole.
    Raises OtaError."""
    from .slot import Slot

    journal = Journal(transfer.offer)
    slot = Slot(transfer.partition, transfer.block, transfer.head, transfer.read_back)
    stream, agent, config = transfer.stream, transfer.agent, transfer.agent.config
    readinto, block, size = stream.readinto, slot.block, transfer.offer.size
    limit_ms = config.download_limit_s * 1000
    timeout_ms, checkpoint = config.http_timeout_s * 1000, config.checkpoint_kib * 1024
    slot.position = transfer.position
    want = slot.block_size
    while slot.position < size:
        if size - slot.position < want:
            want = size - slot.position
        if transfer.has_block:
            transfer.has_block = False
        else:
            got = readinto(block, want)
            if got != want:
                yield from stream.fill(slot.view, want, got, timeout_ms, agent.check_wifi)
        slot.write_block(want)
        transfer.position = slot.position
        if slot.position > transfer.furthest:  # a block that comes again is not progress
            transfer.furthest = slot.position
            agent.progressed_ms = time.ticks_ms()
            transfer.granted_ms = transfer.pause_ms = 0
        yield
        lasted_ms = time.ticks_diff(agent.progressed_ms, transfer.began_ms)
        if agent.offer is not transfer.offer or lasted_ms > limit_ms:
            phases.call("failure", "check_over", transfer)
        if journal.position + checkpoint <= slot.position < size:
            journal.save(slot.position, transfer.etag)
            yield
        if slot.position >= transfer.report_at:
            transfer.report()
            yield


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
