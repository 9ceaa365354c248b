"""Reads an image where it lies: its digest, and its trailer: for which board it is, which version.

What is verified is what would boot, not what came over the wire. keys.py says whether it is the owner's.
"""

import binascii
import hashlib
import struct

from micropython import const

from . import errors, log, phases  # slot and strict come in turn: first one reads, then the other checks

_READ_TRIES = const(3)
_HEAD = const(64)  # as in slot.py
_TRAILER_MARK = b"OTAT"
_TRAILER_END = const(6)  # u16 length, then the mark
_MAX_TRAILER = const(518)  # bytes, with its end
_UINT32 = 0xFFFFFFFF


def digest(transfer):
    """Generator, two blocks a step: (SHA-256, 32 bytes, the last bytes) of what an update.Transfer has
    brought. Raises OtaError: CRC_ERROR (of a wm image), FLASH."""
    from .slot import Slot

    slot = Slot(transfer.partition, transfer.block, transfer.head)
    header, size = transfer.header, transfer.offer.size
    sha, crc = yield from read_digest(slot, size, header.body_end)
    if header.body_end and crc != header.body_crc:
        raise errors.OtaError(errors.CRC_ERROR, "body of the image")
    return sha, read_tail(slot, size, _MAX_TRAILER)


def read_tail(slot, size, count):
    """The last bytes of the image, at most count."""
    tail = bytearray()
    while len(tail) < min(size, count):
        offset = size - min(size, count) + len(tail)
        slot.read_block(offset // slot.block_size)
        start = offset % slot.block_size
        tail.extend(slot.view[start : start + min(size, count) - len(tail)])
    return bytes(tail)


def holds(partition, size, digest):
    """Generator: do the first `size` bytes of this partition have this SHA-256, in hex? Not if they cannot
    be read."""
    from .slot import Slot

    for _ in range(_READ_TRIES):
        try:
            slot = Slot(partition)
            if size > slot.capacity:
                return False
            sha, _ = yield from read_digest(slot, size)
            return sha.hex() == digest
        except errors.OtaError as error:
            log.error("image %s: %s" % (digest[:8], error.detail))
    return False


def read_digest(slot, size, body_end=0):
    """Generator, two blocks a step: returns (SHA-256 digest, CRC of the body of a wm image)."""
    sha = hashlib.sha256()
    crc = 0
    update = sha.update
    for number in range((size + slot.block_size - 1) // slot.block_size):
        slot.read_block(number)
        start = number * slot.block_size
        update(slot.block if start + slot.block_size <= size else slot.view[: size - start])
        if body_end:
            crc = _add_crc(crc, slot, start, body_end)
        if number & 1:
            yield
    return sha.digest(), ~crc & _UINT32


def _add_crc(crc, slot, start, body_end):
    first = _HEAD if start == 0 else 0
    end = min(body_end - start, slot.block_size)
    return binascii.crc32(slot.view[first:end], crc) if end > first else crc


def record(transfer, sha, tail, signer):
    """The record of a signed image that lies in the slot: {"version", "build_time", "size", "digest",
    "signer", "next_key"}, all str but for size, and "unversioned": is the version only the offer's? From here
    on the bytes are the owner's.

    transfer: update.Transfer; sha, tail: of digest(); signer: fingerprint of its key. Raises
    OtaError: SIZE_MISMATCH, OFFER_SIGNATURE and those of check_identity().
    """
    agent, offer, header = transfer.agent, transfer.offer, transfer.header
    digest = sha.hex()
    trailer, length = read_trailer(tail)
    start = offer.size - length
    if header.file_end and start != header.file_end:
        raise errors.OtaError(errors.SIZE_MISMATCH, "bytes between image and trailer")
    is_unversioned = check_identity(trailer, header, offer.number, agent.config)
    if is_unversioned:
        log.warning("the image names no usable version: the offer's %s stands" % offer.version)
    if offer.own_signature and offer.own_signature.image_digest != digest:
        raise errors.OtaError(errors.OFFER_SIGNATURE, "the offer is for another image")
    trailer = trailer or {}
    next_key = trailer.get("next_key", "")
    if "next_key" in trailer:
        decode_key(next_key)
    return {
        "version": offer.version,
        "unversioned": is_unversioned,
        "build_time": trailer.get("build_time", ""),
        "size": offer.size,
        "digest": digest,
        "signer": signer,
        "next_key": next_key,
    }


def decode_key(text):
    """The bytes (DER or 65) of a public key in base64. Raises OtaError(HEADER_INVALID)."""
    from . import strict

    key = strict.base64(text)
    if key is None or phases.call("ecdsa", "public_point", key) is None:
        raise errors.OtaError(errors.HEADER_INVALID, "the key that the image brings is not one")
    return key


def read_trailer(tail):
    """The last bytes of an image -> (record dict, bytes of the trailer) or (None, 0).

    The record has the keys version, board, build_time, all str, and may have next_key, see
    keys. Raises OtaError(HEADER_INVALID) for a trailer that is marked as one but is not.
    """
    if tail[-4:] != _TRAILER_MARK or len(tail) < _TRAILER_END:
        return None, 0
    (length,) = struct.unpack_from("<H", tail, len(tail) - _TRAILER_END)
    start = len(tail) - _TRAILER_END - length
    if start < 0:
        raise errors.OtaError(errors.HEADER_INVALID, "trailer length")
    from . import strict

    record = strict.json_object(tail[start : start + length])
    names = ("version", "board", "build_time")
    if record is None or not all(isinstance(record.get(name), str) for name in names):
        raise errors.OtaError(errors.HEADER_INVALID, "trailer content")
    return record, length + _TRAILER_END


def check_identity(trailer, header, number, config):
    """Compare what the signed image says of itself with the offer and the board.

    trailer: its record or None, without which an ESP32's image could be of any product; number: the
    offer's version. Raises OtaError: WRONG_BOARD, VERSION_UNKNOWN, HEADER_INVALID (another version
    inside). Returns True if the offer's version had to stand in for one the image does not name.
    """
    if trailer:
        if trailer["board"] != config.board:
            raise errors.OtaError(errors.WRONG_BOARD, "image for %r" % trailer["board"])
    elif config.image == "esp32" and not config.accept_unversioned:
        raise errors.OtaError(errors.WRONG_BOARD, "image without trailer")
    named = trailer["version"] if trailer else header.version
    from . import strict

    inside = strict.version(named)
    if inside is None:
        if config.accept_unversioned:
            return True
        raise errors.OtaError(errors.VERSION_UNKNOWN, "image names %r" % named)
    if inside != number:
        raise errors.OtaError(errors.HEADER_INVALID, "image is %s, offer %d.%d.%d" % ((named,) + number))
    return False
