"""Names what is taken for a firmware image by mistake: archives, web pages, programs, texts, keys."""

from __future__ import annotations

import json
import re

UNPACK = "unpack it, and give what is in it"
BUILT = "give the image for updates instead (ESP32: micropython.bin of the build, or an .app-bin)"
FETCH = "the download went wrong: fetch it again"
COMPILE = (
    "`build --app` makes images for the simulated board of modules, see device/FREEZING.md for the real way"
)

# (where, what stands there, name, cure)
_MAGICS = [
    (0, b"UF2\n", "a UF2 file, for a board that is plugged in as a drive", BUILT),
    (0, b"\x7fELF", "an ELF program", BUILT),
    (0, b"PK\x03\x04", "a zip archive", UNPACK),
    (0, b"PK\x05\x06", "a zip archive", UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", UNPACK),
    (0, b"BZh", "a bzip2 archive", UNPACK),
    (0, b"\xfd7zXZ\0", "an xz archive", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a rar archive", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"DfuSe", "a DFU file, for a cable", BUILT),
    (0, b"M\x06", "a compiled module (.mpy)", COMPILE),
    (0, b"\xd2\xcd\x31", "a ROMFS, which `mpremote romfs deploy` brings to a board", BUILT),
    (0, b"MZ", "a Windows program", BUILT),
    (0, b"%PDF", "a PDF", FETCH),
    (0, b"\x89PNG", "a picture", FETCH),
    (0, b"\xff\xd8\xff", "a picture", FETCH),
    (0, b"GIF8", "a picture", FETCH),
    (0, b"SQLite format 3\0", "a database", BUILT),
]
_HEX = re.compile(rb"\s*:[0-9A-Fa-f]{10,}\s")
_S_RECORDS = re.compile(rb"\s*S[0-9][0-9A-Fa-f]{6,}\s")
_BLANK = (b"\x00", b"\xff")
_ENOUGH = 4096  # bytes at the beginning, by which a text is known


def recognise(content: bytes) -> tuple[str, str] | None:
    """(what it is, what to do), or None for other files."""
    if not content:
        return "empty", FETCH
    if content[:1] in _BLANK and not content.strip(content[:1]):
        return f"blank: nothing but 0x{content[0]:02X}", BUILT
    for start, mark, name, cure in _MAGICS:
        if content.startswith(mark, start):
            return name, cure
    if content[-8:-5] == b"UFD":
        return "a DFU file, for a cable", BUILT
    if _is_der(content):
        return "a key or a certificate", BUILT
    return _text(content)


def _is_der(content: bytes) -> bool:
    """One ASN.1 sequence as long as the file."""
    more = {b"\x81": 1, b"\x82": 2}.get(content[1:2], 0)  # bytes of the length, if it is not in one
    length = content[2 : 2 + more] if more else content[1:2]
    is_known = content[:1] == b"\x30" and (more or length < b"\x80")
    return bool(is_known) and int.from_bytes(length, "big") == len(content) - 2 - more


def _text(content: bytes) -> tuple[str, str] | None:
    first = content[:_ENOUGH]
    if _HEX.match(first + b"\n"):
        return "Intel HEX", BUILT
    if _S_RECORDS.match(first + b"\n"):
        return "Motorola S-records", BUILT
    head = _decoded(first)
    if head is None:
        return None
    begin = head.lstrip("\ufeff \t\r\n").lower()
    if begin.startswith("<"):
        return "a web page, or XML", FETCH
    if begin.startswith("version https://git-lfs") or "/annex/objects/" in begin[:200]:
        return "a pointer to a file that git keeps elsewhere", "run `git lfs pull` or `git annex get`"
    if begin.startswith("-----begin"):
        return "a key or a certificate", BUILT
    if begin.startswith(("{", "[")) and _is_json(content):
        return "JSON, an offer or a configuration", BUILT
    if re.search(r"^((import|from|def|class)\b|print\()", head, re.MULTILINE):
        return "a Python program", COMPILE
    return "a text", BUILT


def _decoded(head: bytes) -> str | None:
    """None unless it is a text of UTF-8 (which may be cut in a character) or, with its mark, of UTF-16."""
    is_wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = head.decode("utf-16" if is_wide else "utf-8", "replace")
    body = text[:-4] if len(head) == _ENOUGH else text
    is_text = all(character.isprintable() or character in "\ufeff\t\r\n\f\x1b" for character in body)
    return text if is_text and "\ufffd" not in body else None


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True
