"""What may come before or after an ESP32 application image: a whole flash in one file, a signature sector."""

from __future__ import annotations

import struct

from tools.errors import ToolError

SECTOR = 4096
IMAGE_MAGIC = 0xE9
DESC_MAGIC = struct.pack("<I", 0xABCD5432)  # of an application, 32 bytes from its start
TABLE_ENTRY = struct.Struct("<HBBII16sI")
TABLE_MAGIC = 0x50AA
TABLE_ADDRESS = 0x8000
BOOT_LOADER_ADDRESSES = (0x1000, 0x0, 0x2000)  # ESP32 and S2; S3, C2, C3, C6, H2; P4 and C5
SIGNATURE_MAGIC = b"\xe7\x02"  # secure boot, version 2


def refuse_whole_flash(image: bytes) -> None:
    """Raises ToolError for a file with boot loader and partition table in front, which only a cable can bring
    to a board: written into a slot it could not boot."""
    if image[:1] == bytes([IMAGE_MAGIC]) and image[32:36] != DESC_MAGIC and _has_table(image):
        raise ToolError(
            "this file is a whole flash (boot loader, partition table, application), for a cable: boards take"
            " the application alone, the .app-bin of the same download, or micropython.bin of your build"
        )


def is_signature_sector(rest: bytes) -> bool:
    """Is this what `espsecure sign-data` appends: 0xFF up to a whole sector, then one with signatures?"""
    padding, sector = rest[:-SECTOR], rest[-SECTOR:]
    if len(sector) < SECTOR or len(padding) >= SECTOR:
        return False
    return not padding.strip(b"\xff") and sector.startswith(SIGNATURE_MAGIC)


def _has_table(image: bytes) -> bool:
    return any(_is_entry(image, TABLE_ADDRESS - base) for base in BOOT_LOADER_ADDRESSES)


def _is_entry(image: bytes, at: int) -> bool:
    """Is the first entry of a partition table here?"""
    if len(image) < at + TABLE_ENTRY.size:
        return False
    magic, _, _, address, size, _, _ = TABLE_ENTRY.unpack_from(image, at)
    return magic == TABLE_MAGIC and address % SECTOR == 0 and address > TABLE_ADDRESS and size > 0
