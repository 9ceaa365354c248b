"""Reads the header of a WinnerMicro W80x image: needed only where images are of kind "wm"."""

import binascii
import struct

from micropython import const

from . import errors
from .slot import HEAD, Header, padded_text

_MAGIC = 0xA0FFFF9F
_SIGNED = const(0x100)
_GZIP = const(0x10000)
_SIGNATURE = const(128)  # bytes of the vendor's own, behind the body
_MAX_TRAILER = const(518)  # bytes, see verify.py
_UINT32 = 0xFFFFFFFF


def read_header(block, size):
    """The first 64 bytes of an image of `size` bytes -> slot.Header. Raises OtaError: HEADER_INVALID,
    SIZE_MISMATCH."""
    if size <= HEAD:
        raise errors.OtaError(errors.HEADER_INVALID, "shorter than its header")
    magic, attributes, _, length, _, _, body_crc, _ = struct.unpack_from("<8I", block, 0)
    (header_crc,) = struct.unpack_from("<I", block, 60)
    if magic != _MAGIC or header_crc != crc(bytes(memoryview(block)[:60])):
        raise errors.OtaError(errors.HEADER_INVALID, "not a W80x image, or a damaged header")
    compression = (attributes >> 20) & 3
    if attributes & 15 in (0, 14) or attributes & _GZIP or compression > 1:
        raise errors.OtaError(errors.HEADER_INVALID, "image type or compression not supported")
    end = HEAD + length
    file_end = end + _SIGNATURE if attributes & _SIGNED else end
    if not length or not file_end <= size <= file_end + _MAX_TRAILER:
        raise errors.OtaError(errors.SIZE_MISMATCH, "header says %d bytes, offer %d" % (file_end, size))
    return Header(padded_text(block, 32, 16), end, body_crc, file_end)


def crc(data):
    """CRC-32 without the final inversion, as the W80x boot loader computes it."""
    return ~binascii.crc32(data) & _UINT32
