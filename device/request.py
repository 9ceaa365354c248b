"""Asks the file server for what is missing of an image."""

import time

from micropython import const

from . import errors, log, phases
from .slot import HEAD, Slot, measure

_PIECE = const(256)  # characters of a long URL that are copied at a time


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
    transfer.progressed_ms = time.ticks_ms()


def prepare(transfer):
    """Into which slot, and where the last run was cut. Raises OtaError: NO_SLOT, FW_OVERFLOW, FLASH."""
    transfer.partition = phases.call("board", "spare")
    transfer.chip = phases.call("board", "chip")
    block_size, capacity = measure(transfer.partition)
    position, size = transfer.position, transfer.offer.size
    if size > capacity:
        raise errors.OtaError(errors.FW_OVERFLOW, "slot holds %d" % capacity)
    if not 0 < position < size or position % block_size:
        phases.call("journal", "forget", transfer.offer)
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
    last = (HEAD if lacks_head else transfer.offer.size) - 1
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
