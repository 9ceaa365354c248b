"""Firmware image formats on the host: makes and describes W80x and ESP32 images and the trailer.

Written from the formats' descriptions, not from the device code, so that each can check the other.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import operator
import struct
import zlib
from typing import Any, NamedTuple

from tools.errors import ToolError
from tools.image import esp32flash
from tools.image.versions import check as check_version

KINDS = ("esp32", "wm", "raw")

WM_MAGIC = 0xA0FFFF9F
WM_HEADER = struct.Struct("<8I16s3I")  # then the u32 CRC of these 60 bytes
WM_HEADER_SIZE = 64
WM_SIGNATURE_SIZE = 128
WM_SIGNED = 0x100

ESP32_MAGIC = 0xE9
ESP32_DESC_MAGIC = 0xABCD5432
ESP32_HEADER = struct.Struct("<4BI4BHBHH4sB")
ESP32_SEGMENT = struct.Struct("<II")
ESP32_DESC = struct.Struct("<II8x32s32s16s16s32s32s80x")
ESP32_BODY = ESP32_HEADER.size + ESP32_SEGMENT.size + ESP32_DESC.size  # 288
ESP32_LOAD = 0x3F400020  # mapped flash: same place in its 64 KB page as in the file
ESP32_CHECKSUM_SEED = 0xEF
ESP32_DIGEST_SIZE = 32

TRAILER_MARK = b"OTAT"
TRAILER_LIMIT = 512
TRAILER_KEYS = ("version", "board", "build_time")


class Content(NamedTuple):
    """What an image says of itself. length: bytes of the image proper; None = not known."""

    kind: str
    version: str
    length: int | None
    crc_ok: bool | None


def wm_crc(data: bytes) -> int:
    """CRC-32 without the final inversion."""
    return ~zlib.crc32(data) & 0xFFFFFFFF


def wm_image(
    body: bytes,
    version: str,
    *,
    run_address: int = 0x0800F400,
    header_address: int = 0x0800F000,
    upgrade_address: int = 0x08131000,
    image_type: int = 1,
    attributes: int = 0,
    update_number: int = 0,
) -> bytes:
    """A W80x image: 64-byte header with both CRCs, then the body as it is.

    attributes: bits besides the image type, e.g. 1 << 20 for a body compressed by xz.
    version: at most 15 ASCII characters.
    """
    header = WM_HEADER.pack(
        WM_MAGIC,
        attributes | image_type,
        run_address,
        len(body),
        header_address,
        upgrade_address,
        wm_crc(body),
        update_number,
        _text(version, 16),
        *(0, 0, 0),
    )
    return header + struct.pack("<I", wm_crc(header)) + body


def esp32_image(body: bytes, version: str = "", chip_id: int = 0) -> bytes:
    """An ESP-IDF application image of one segment: description, then the body padded to 4 bytes.

    version: at most 31 ASCII characters. chip_id: as ESP-IDF numbers them, 0 = ESP32.
    The body begins at offset 288.
    """
    segment = _esp32_description(version) + body + bytes(-len(body) % 4)
    image = _esp32_header(chip_id) + ESP32_SEGMENT.pack(ESP32_LOAD, len(segment)) + segment
    image += bytes(15 - len(image) % 16) + bytes([_esp32_checksum(segment)])
    return image + hashlib.sha256(image).digest()


def wrap(kind: str, body: bytes, version: str) -> bytes:
    """The body as an image of one of KINDS, without trailer."""
    if kind == "esp32":
        return esp32_image(body, version)
    if kind == "wm":
        return wm_image(body, version)
    if kind == "raw":
        return body
    raise ToolError(f"no image kind {kind!r}: choose one of {', '.join(KINDS)}")


def add_trailer(
    image: bytes, version: str, board: str, build_time: str, next_key: bytes | None = None
) -> bytes:
    """next_key: the public key that boards are to accept beside the current one, DER, once this image is
    confirmed. Raises ToolError for a bad version, an image that has a trailer, or one too long.
    """
    check_version(version)
    if read_trailer(image) is not None:
        raise ToolError("the image has a trailer already: give the image without it")
    values = dict(zip(TRAILER_KEYS, (version, board, build_time), strict=True))
    if next_key:
        values["next_key"] = base64.b64encode(next_key).decode()
    record = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    if len(record) > TRAILER_LIMIT:
        raise ToolError(f"the trailer has {len(record)} bytes of {TRAILER_LIMIT}: shorten --board")
    return image + record + struct.pack("<H", len(record)) + TRAILER_MARK


def read_trailer(image: bytes) -> dict[str, str] | None:
    """version, board and build_time, or None. Raises ToolError if the trailer is damaged."""
    size = trailer_size(image)
    if not size:
        return None
    try:
        record = json.loads(image[-size:-6].decode())
    except ValueError:
        record = None
    if not isinstance(record, dict) or not all(
        isinstance(record.get(key), str) for key in TRAILER_KEYS
    ):
        raise ToolError("the image ends in a damaged trailer: build it again")
    return record


def describe(image: bytes) -> dict[str, Any]:
    """What the image says of itself.

    kind: one of KINDS. version: the trailer's, else the header's. header_version. size: of the
    file. length: of the image without trailer and padding. crc_ok: whether the header's CRCs or
    the digest fit, None where there are none. trailer: dict or None. Raises ToolError for a whole flash.
    """
    esp32flash.refuse_whole_flash(image)
    trailer = read_trailer(image)
    end = len(image) - trailer_size(image)
    content = _wm_content(image[:end]) or _esp32_content(image[:end])
    content = content or Content("raw", "", end, None)
    version = trailer["version"] if trailer else content.version
    return {
        **content._asdict(),
        "header_version": content.version,
        "version": version,
        "size": len(image),
        "trailer": trailer,
    }


def trailer_size(image: bytes) -> int:
    if len(image) < 6 or image[-4:] != TRAILER_MARK:
        return 0
    size = struct.unpack_from("<H", image, len(image) - 6)[0] + 6
    if size > min(len(image), TRAILER_LIMIT + 6):
        raise ToolError("the image ends in a trailer of impossible length: build it again")
    return size


def _wm_content(image: bytes) -> Content | None:
    if len(image) < WM_HEADER_SIZE or struct.unpack_from("<I", image)[0] != WM_MAGIC:
        return None
    _, attributes, _, length, _, _, body_crc, _, version, *_ = WM_HEADER.unpack_from(image)
    header_crc = struct.unpack_from("<I", image, WM_HEADER.size)[0]
    end = WM_HEADER_SIZE + length
    total = end + (WM_SIGNATURE_SIZE if attributes & WM_SIGNED else 0)
    crc_ok = (
        header_crc == wm_crc(image[: WM_HEADER.size])
        and body_crc == wm_crc(image[WM_HEADER_SIZE:end])
        and total == len(image)
    )
    return Content("wm", _c_string(version), total, crc_ok)


def _esp32_content(image: bytes) -> Content | None:
    if len(image) < ESP32_BODY or image[0] != ESP32_MAGIC:
        return None
    if struct.unpack_from("<I", image, 32)[0] != ESP32_DESC_MAGIC:
        return None
    version = _c_string(image[48:80])
    end, checksum = _esp32_segments(image)
    if end is None:
        return Content("esp32", version, None, False)
    good = image[end - 1 : end] == bytes([checksum])
    if image[23]:  # hash_appended
        good = good and image[end : end + 32] == hashlib.sha256(image[:end]).digest()
        end += ESP32_DIGEST_SIZE
    if esp32flash.is_signature_sector(image[end:]):
        end = len(image)
    return Content("esp32", version, end, good and end == len(image))


def _esp32_segments(image: bytes) -> tuple[int | None, int]:
    """The end of the checksum byte (None: a segment runs past the end) and what it must be."""
    at, checksum = ESP32_HEADER.size, ESP32_CHECKSUM_SEED
    for _ in range(image[1]):
        if at + ESP32_SEGMENT.size > len(image):
            return None, 0
        _, length = ESP32_SEGMENT.unpack_from(image, at)
        at += ESP32_SEGMENT.size + length
        checksum ^= _esp32_checksum(image[at - length : at], 0)
    end = at + 16 - at % 16
    return (end if end <= len(image) else None), checksum


def _esp32_header(chip_id: int) -> bytes:
    entry = 0x40080000
    return ESP32_HEADER.pack(
        ESP32_MAGIC, 1, 2, 0x20, entry, 0xEE, 0, 0, 0, chip_id, 0, 0, 0xFFFF, bytes(4), 1
    )


def _esp32_description(version: str) -> bytes:
    project = _text("micropython-ota", 32)
    return ESP32_DESC.pack(
        ESP32_DESC_MAGIC, 0, _text(version, 32), project, b"", b"", b"", bytes(32)
    )


def _esp32_checksum(data: bytes, seed: int = ESP32_CHECKSUM_SEED) -> int:
    return functools.reduce(operator.xor, data, seed)


def _text(text: str, size: int) -> bytes:
    """ASCII in a field of `size` bytes that ends in at least one NUL."""
    if not text.isascii() or len(text) >= size:
        raise ToolError(f"version {text!r}: at most {size - 1} ASCII characters fit the header")
    return text.encode()


def _c_string(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("ascii", "replace")
