"""Image headers and the trailer: what kind of firmware this is, for which board, which version."""

import binascii
import struct

from micropython import const

from . import errors, jsontext, version

HEAD = const(64)  # bytes the slot holds back until the image is judged; the size of a W80x header

_WM_MAGIC = 0xA0FFFF9F
_WM_SIGNED = const(0x100)
_WM_GZIP = const(0x10000)
_ESP32_MAGIC = const(0xE9)
_ESP32_DESC_MAGIC = 0xABCD5432
_TRAILER_MARK = b"OTAT"
_TRAILER_END = const(6)  # u16 length, then the mark
_TRAILER_LIMIT = const(512)
_UINT32 = 0xFFFFFFFF


class Header:
    """What the first bytes say.

    version: str, "" where it names none. body_end: where the CRC'd body ends (wm), else 0.
    body_crc: the CRC the body must have. file_end: where a trailer may begin, 0 = not known.
    """

    def __init__(self, text="", body_end=0, body_crc=0, file_end=0):
        self.version = text
        self.body_end = body_end
        self.body_crc = body_crc
        self.file_end = file_end


def read_header(kind, block, size, chip):
    """kind: "wm", "esp32" or "raw"; block: the first bytes of the image (96 are enough);
    size: of the whole file; chip: this board's ESP chip id, None = unknown.

    Raises OtaError: HEADER_INVALID, SIZE_MISMATCH, WRONG_BOARD.
    """
    if kind == "wm":
        return _wm_header(block, size)
    if kind == "esp32":
        return _esp32_header(block, size, chip)
    return Header()


def _wm_header(block, size):
    if size <= HEAD:
        raise errors.OtaError(errors.HEADER_INVALID, "shorter than its header")
    magic, attributes, _, length, _, _, body_crc, _ = struct.unpack_from("<8I", block, 0)
    (header_crc,) = struct.unpack_from("<I", block, 60)
    if magic != _WM_MAGIC or header_crc != wm_crc(bytes(memoryview(block)[:60])):
        raise errors.OtaError(errors.HEADER_INVALID, "not a W80x image, or a damaged header")
    compression = (attributes >> 20) & 3
    if attributes & 15 in (0, 14) or attributes & _WM_GZIP or compression > 1:
        raise errors.OtaError(errors.HEADER_INVALID, "image type or compression not supported")
    end = HEAD + length
    file_end = end + 128 if attributes & _WM_SIGNED else end
    if not length or not file_end <= size <= file_end + _TRAILER_LIMIT + _TRAILER_END:
        raise errors.OtaError(errors.SIZE_MISMATCH, "header says %d bytes, offer %d" % (file_end, size))
    return Header(_c_string(block, 32, 16), end, body_crc, file_end)


def _esp32_header(block, size, chip):
    if size < 96 or block[0] != _ESP32_MAGIC:
        raise errors.OtaError(errors.HEADER_INVALID, "not an ESP32 application image")
    (image_chip,) = struct.unpack_from("<H", block, 12)
    (desc_magic,) = struct.unpack_from("<I", block, 32)
    if desc_magic != _ESP32_DESC_MAGIC:
        raise errors.OtaError(errors.HEADER_INVALID, "no application description")
    if chip is not None and image_chip != chip:
        raise errors.OtaError(errors.WRONG_BOARD, "image for chip %d, this is %d" % (image_chip, chip))
    return Header(_c_string(block, 48, 32))


def _c_string(block, start, length):
    """A NUL-padded text; "" if it holds anything but printable ASCII."""
    raw = bytes(memoryview(block)[start : start + length]).split(b"\0", 1)[0]
    if not all(0x20 <= byte < 0x7F for byte in raw):
        return ""
    return raw.decode()


def wm_crc(data, crc=0):
    """CRC-32 without the final inversion, as the W80x boot loader computes it. To go on over
    several pieces keep `binascii.crc32` running and invert at the end (`wm_finish`)."""
    return wm_finish(binascii.crc32(data, crc))


def wm_finish(crc):
    return ~crc & _UINT32


def read_trailer(read, size):
    """read(offset, n) -> bytes of the image. Returns (record dict, offset of the trailer) or (None, size).

    The record has the keys version, board, build_time, all str, and may have next_key, see
    keyring. Raises OtaError(HEADER_INVALID) for a trailer that is marked as one but is not.
    """
    if size < _TRAILER_END:
        return None, size
    end = read(size - _TRAILER_END, _TRAILER_END)
    if end[2:] != _TRAILER_MARK:
        return None, size
    (length,) = struct.unpack_from("<H", end, 0)
    start = size - _TRAILER_END - length
    if length > _TRAILER_LIMIT or start < 0:
        raise errors.OtaError(errors.HEADER_INVALID, "trailer length")
    record = jsontext.parse_object(read(start, length))
    names = ("version", "board", "build_time")
    if record is None or not all(isinstance(record.get(name), str) for name in names):
        raise errors.OtaError(errors.HEADER_INVALID, "trailer content")
    return record, start


def check_trailer_place(header, start):
    """A wm header says where its file ends; the trailer must begin just there."""
    if header.file_end and start != header.file_end:
        raise errors.OtaError(errors.SIZE_MISMATCH, "bytes between image and trailer")


def check_identity(record, header, offered, board, accept_unversioned):
    """Compare what the signed image says of itself with the offer and the board.

    record: the trailer or None; offered: the offer's version. Raises OtaError: WRONG_BOARD,
    VERSION_UNKNOWN, HEADER_INVALID (another version inside). Returns True if the offer's
    version had to stand in for one the image does not name.
    """
    if record and record["board"] != board:
        raise errors.OtaError(errors.WRONG_BOARD, "image for %r" % record["board"])
    named = record["version"] if record else header.version
    inside = version.parse(named)
    if inside is None:
        if accept_unversioned:
            return True
        raise errors.OtaError(errors.VERSION_UNKNOWN, "image names %r" % named)
    if inside != version.parse(offered):
        raise errors.OtaError(errors.HEADER_INVALID, "image is %s, offer %s" % (named, offered))
    return False
