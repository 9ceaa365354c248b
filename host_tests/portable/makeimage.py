"""Firmware images for tests, built with struct from PROTOCOL.md, not with the device's code."""

import binascii
import json
import struct

MAGIC = 0xA0FFFF9F
VERSION = b"1.2.3"


def crc(data):
    return binascii.crc32(data) ^ 0xFFFFFFFF


def content(size, seed=1):
    """A bytearray in which no two blocks are alike; not bytes, which would be a copy."""
    data = bytearray(size)
    for i in range(size):
        seed = (seed * 75 + 74) % 65537
        data[i] = seed & 0xFF
    return data


def wm(body, attributes=1, version=VERSION, length=-1, magic=MAGIC):
    """header (64 bytes) + body; length: what the header claims, if not the truth."""
    claimed = len(body) if length < 0 else length
    first = struct.pack("<IIIIII", magic, attributes, 0x0800F400, claimed, 0x0800F000, 0x08131000)
    second = struct.pack("<II16sIII", crc(body), 0, version, 0, 0, 0)
    head = first + second
    return head + struct.pack("<I", crc(head)) + body


def esp32(body=b"", version=b"", chip=0, magic=0xE9, desc_magic=0xABCD5432):
    """288 bytes of headers + body; no segment checksum, which only the boot loader looks at."""
    head = bytearray(288)
    head[0] = magic
    head[1] = 1
    struct.pack_into("<H", head, 12, chip)
    struct.pack_into("<I", head, 32, desc_magic)
    head[48 : 48 + len(version)] = version
    return bytes(head) + body


def trailer(version="1.2.3", board="test-board", build_time="May 24 2024 10:33:41"):
    record = {"version": version, "board": board, "build_time": build_time}
    return raw_trailer(json.dumps(record).encode())


def raw_trailer(record, length=-1, mark=b"OTAT"):
    return record + struct.pack("<H", len(record) if length < 0 else length) + mark
