"""Espressif's esptool, another check of ESP32 images, and small ELF files for it to make images of.

It is no requirement: there is no wheel of it, and version 5 needs eight packages more. Of 4.12.0 the sources
are unpacked into .cache/, 1 MB, and run beside pyserial, which mpremote brings, and one wheel.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tools.programs import cache, sdists, wheels

NAME, VERSION = "esptool", "4.12.0"
SHA256 = "d797f6529d582173508baf0572542ddadf53aae8c92c84ea9f420f242464103c"
INTELHEX = ("intelhex==2.3.0", "87cc5225657524ec6361354be928adfd56bcf2a3dcc646c40f8f094c39c07db4")
LIMIT_S = 120
# Version 1 of secure boot, which is not signed here, wants one more package.
_ESPSECURE = (
    "import sys, types; sys.modules['ecdsa'] = types.ModuleType('ecdsa'); import espsecure; espsecure._main()"
)
_ELF_HEAD = struct.Struct("<4s12B2H5I6H")
_ELF_SECTION = struct.Struct("<10I")
_XTENSA, _PROGBITS, _STRTAB = 0x5E, 1, 3


def folder() -> Path:
    """Raises ToolError where it cannot be fetched."""
    return cache.folder(f"{NAME}-{VERSION}", _fill)


def _fill(target: Path) -> None:
    hint = "only tests need it"
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(sdists.download(NAME, VERSION, SHA256, scratch, hint)) as tar:
            tar.extractall(scratch, filter="data")
        for package in ("esptool", "espsecure"):
            os.rename(Path(scratch, f"{NAME}-{VERSION}", package), target / package)


def esptool(*words: str) -> tuple[int, str]:
    """(exit code, all that it says)."""
    return _run("-m", "esptool", *words)


def espsecure(*words: str) -> tuple[int, str]:
    return _run("-c", _ESPSECURE, *words)


def _run(*words: str) -> tuple[int, str]:
    paths = os.pathsep.join(map(str, (folder(), wheels.folder(*INTELHEX))))
    done = subprocess.run(
        [sys.executable, *words], env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S,
    )  # fmt: skip
    return done.returncode, done.stdout


def elf(*sections: tuple[str, int, bytes]) -> bytes:
    """An Xtensa program of sections: (name, address, content)."""
    body, names, table = b"", b"\0", [bytes(_ELF_SECTION.size)]
    for name, address, content in (*sections, (".shstrtab", 0, b"")):
        at, start = len(names), _ELF_HEAD.size + len(body)
        names += name.encode() + b"\0"
        kind = _PROGBITS if content else _STRTAB
        content = content or names
        table.append(_ELF_SECTION.pack(at, kind, 2, address, start, len(content), 0, 0, 4, 0))
        body += content
    head = _ELF_HEAD.pack(
        b"\x7fELF", 1, 1, 1, *bytes(9), 2, _XTENSA, 1, 0x40080000, 0, _ELF_HEAD.size + len(body), 0,
        _ELF_HEAD.size, 0, 0, _ELF_SECTION.size, len(table), len(table) - 1,
    )  # fmt: skip
    return head + body + b"".join(table)
