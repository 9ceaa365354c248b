"""ESP32 files that are not application images, what may come before or after one, and which slots it fits:
a whole flash in one file, a boot loader, a partition table, signatures of secure boot."""

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
SIGNATURE_V1 = 68  # bytes: a word that is 0, then r and s
APPLICATION = "give the application alone: micropython.bin of your build, or the .app-bin of a download page"
# MicroPython's partition tables for updates (ports/esp32/partitions-*-ota.csv): bytes of each of two slots.
SLOTS = {"4 MiB": 0x180000, "8 MiB": 0x270000, "16 and 32 MiB": 0x280000}


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


def recognise(content: bytes) -> str | None:
    """What this is that is not one application image, in words; None for anything else."""
    filling = len(content) - len(content.lstrip(b"\xff"))
    if filling and filling % SECTOR == 0 and content[filling : filling + 1] == bytes([IMAGE_MAGIC]):
        return "a whole flash from 0x0 on (boot loader, partition table, application), for a cable"
    if _is_entry(content, 0):
        is_more = len(content) > SECTOR
        return "a part of a flash, from its partition table on" if is_more else "a partition table"
    sectors = range(SECTOR, len(content), SECTOR)
    if any(_is_entry(content, at) or _is_application(content, at) for at in sectors):
        return "a copy of flash, with more than an application in it"
    if content[:1] == bytes([IMAGE_MAGIC]):
        return "a boot loader, or firmware of an ESP8266"
    return None


def describe_rest(rest: bytes) -> str:
    """What follows a good application image, in words, with the cure."""
    if len(rest) == SIGNATURE_V1 and not any(rest[:4]):
        return "a signature of secure boot version 1, which is not supported: give the image without it"
    if not rest.strip(b"\xff") or not rest.strip(b"\0"):
        return f"{len(rest)} bytes of nothing, as in a copy of a slot: {APPLICATION}"
    return f"{len(rest)} bytes that do not belong to it: {APPLICATION}"


def fitting(size: int) -> list[str]:
    """The flash sizes for which MicroPython's own partition tables have slots for so many bytes."""
    return [flash for flash, slot in SLOTS.items() if size <= slot]


def _is_application(content: bytes, at: int) -> bool:
    return content[at : at + 1] == bytes([IMAGE_MAGIC]) and content[at + 32 : at + 36] == DESC_MAGIC


def _has_table(image: bytes) -> bool:
    return any(_is_entry(image, TABLE_ADDRESS - base) for base in BOOT_LOADER_ADDRESSES)


def _is_entry(image: bytes, at: int) -> bool:
    """Is the first entry of a partition table here?"""
    if len(image) < at + TABLE_ENTRY.size:
        return False
    magic, _, _, address, size, _, _ = TABLE_ENTRY.unpack_from(image, at)
    return magic == TABLE_MAGIC and address % SECTOR == 0 and address > TABLE_ADDRESS and size > 0
