"""What boot loaders check before they jump: ESP-IDF's image verification and the W80x header and CRCs.

Written from the formats, not from the device code, which it serves to verify.
"""

import binascii
import hashlib
import struct

ESP32_BODY = 32 + 256  # image header, segment header and esp_app_desc_t come first
WM_BODY = 64


def body(view):
    """The part of a good image that this board executes: (start, end), or None if it is not a good image."""
    if view[0] == 0xE9:
        return _esp32_body(view)
    if bytes(view[:4]) == b"\x9f\xff\xff\xa0":
        return _wm_body(view)
    return None


def _wm_body(view):
    length, = struct.unpack("<I", view[12:16])
    body_crc, = struct.unpack("<I", view[24:28])
    header_crc, = struct.unpack("<I", view[60:64])
    if not 0 < length <= len(view) - WM_BODY or _crc(view[:60]) != header_crc:
        return None
    if _crc(view[WM_BODY : WM_BODY + length]) != body_crc:
        return None
    return WM_BODY, WM_BODY + length


def _crc(data):
    return ~binascii.crc32(data) & 0xFFFFFFFF


def _esp32_body(view):
    """One segment after the other, XOR checksum, then the SHA-256 of all of it."""
    position = 24
    checksum = 0xEF
    for _ in range(view[1]):
        if position + 8 > len(view):
            return None
        length, = struct.unpack("<I", view[position + 4 : position + 8])
        position += 8
        if length > len(view) - position:
            return None
        checksum ^= _xor(view[position : position + length])
        position += length
    end = (position + 16) & ~15  # the checksum is the last byte of a multiple of 16
    if end + 32 > len(view) or view[end - 1] != checksum & 0xFF:
        return None
    if hashlib.sha256(view[:end]).digest() != bytes(view[end : end + 32]):
        return None
    return ESP32_BODY, position


def _xor(data):
    """XOR of all bytes, folding wide integers first: byte by byte would take minutes here."""
    total = 0
    for start in range(0, len(data), 1024):
        total ^= int.from_bytes(bytes(data[start : start + 1024]), "little")
    folded = 0
    for byte in total.to_bytes(1024, "little"):
        folded ^= byte
    return folded
