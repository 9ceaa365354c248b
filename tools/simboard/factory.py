"""Makes a simulated board: flash with a partition table, first image, file system, facts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.cli import configfile
from tools.errors import ToolError
from tools.image import images, romfs
from tools.simboard.board import BLOCK, FACTS, SHARED_WORDS, TABLE_ADDRESS, SimBoard

SLOT_ADDRESS = 0x10000
VFS_SIZE = 0x20000
SLOTS = {
    "idf": ("ota_0", "ota_1"),
    "w80x": ("run", "upgrade"),
    "factory": ("factory",),
    "generic": ("blue", "green"),
}
# What an ESP32 without PSRAM has left for Python; 64-bit objects are up to twice as wide.
HEAP_KIB = {"mp32": 192, "mp32-forky": 192, "mp64": 288, "cpython": 0}


def create(
    folder: Path,
    image: bytes,
    config: dict,
    certificates: Path,
    *,
    mac: str,
    runtime: str = "mp32",
    boot_mode: str = "idf",
    networks: dict[str, str] | None = None,
    epoch: int = 1970,
    slot_size: int = 0x180000,
    heap_kib: int | None = None,
    application: Path | None = None,
) -> SimBoard:
    """A new board with `image` in its first slot and a provisioned file system.

    config: what goes into ota.json; certificates: folder of DER files. mac: 12 hex digits.
    """
    with _new(folder):
        (folder / "fs" / "certs").mkdir()
        for file in certificates.iterdir():
            shutil.copy(file, folder / "fs" / "certs")
        (folder / "fs" / "ota.json").write_bytes(configfile.dump(config))
        state = _first_state(SLOTS[boot_mode][0], image)
        (folder / "fs" / "ota_state.json").write_bytes(json.dumps(state, ensure_ascii=False).encode())
        if application:
            shutil.copytree(application, folder / "fs", dirs_exist_ok=True)
        return _assemble(
            folder, image, mac=mac, runtime=runtime, boot_mode=boot_mode, epoch=epoch,
            networks=networks if networks is not None else dict(config.get("wifi", [])),
            slot_size=slot_size, vfs_size=VFS_SIZE, heap_kib=heap_kib,
        )  # fmt: skip


def create_unprovisioned(
    folder: Path,
    *,
    mac: str,
    networks: dict[str, str],
    runtime: str = "mp32",
    boot_mode: str = "idf",
    epoch: int = 2000,
    slot_size: int = 0x100000,
    vfs_size: int = 0xF0000,
    romfs_size: int = 0,
    heap_kib: int | None = None,
    **facts: Any,
) -> SimBoard:
    """An unprovisioned board, with stock MicroPython and an empty file system, for a ReplBoard.

    romfs_size: of a partition for ROMFS, 0 = none. facts: version (of MicroPython, three numbers), clock
    (Unix s), machine, umqtt (is it in the firmware?).
    """
    image = images.esp32_image(romfs.pack({"README": b"stock MicroPython"}))
    with _new(folder):
        return _assemble(
            folder, image, mac=mac, runtime=runtime, boot_mode=boot_mode, epoch=epoch, networks=networks,
            slot_size=slot_size, vfs_size=vfs_size, romfs_size=romfs_size, heap_kib=heap_kib, **facts,
        )  # fmt: skip


@contextlib.contextmanager
def _new(folder: Path) -> Iterator[None]:
    """The folder of a board that is being made; if that fails, all of it is taken away again."""
    was_there = folder.exists()
    (folder / "fs").mkdir(parents=True)
    try:
        yield
    except BaseException:
        shutil.rmtree(folder / "fs")
        for name in ("flash.bin", "shared_memory.bin", FACTS):
            (folder / name).unlink(missing_ok=True)
        if not was_there:
            shutil.rmtree(folder)
        raise


def _assemble(
    folder: Path, image: bytes, *, runtime: str, boot_mode: str, slot_size: int, vfs_size: int,
    romfs_size: int = 0, heap_kib: int | None, **facts: Any,
) -> SimBoard:  # fmt: skip
    if len(image) > slot_size:
        raise ToolError(f"the image has {len(image):,} bytes, a slot of this board {slot_size:,}")
    flash = _blank_flash(SLOTS[boot_mode], slot_size, vfs_size, romfs_size)
    flash[SLOT_ADDRESS : SLOT_ADDRESS + len(image)] = image
    (folder / "flash.bin").write_bytes(flash)
    (folder / "shared_memory.bin").write_bytes(bytes(4 * SHARED_WORDS))
    facts |= {
        "runtime": runtime,
        "boot_mode": boot_mode,
        "ntp_host": None,
        "ntp_port": 123,
        "heap_kib": heap_kib or HEAP_KIB[runtime],
        "flash_size": len(flash),
    }
    (folder / FACTS).write_bytes(json.dumps(facts, indent=1, ensure_ascii=False).encode())
    board = SimBoard(folder)
    board.provision()
    return board


def _first_state(label: str, image: bytes) -> dict:
    """The record that provisioning writes: what the first slot holds."""
    trailer = images.read_trailer(image) or {"version": "0.0.0", "build_time": ""}
    record = {key: trailer[key] for key in ("version", "build_time")}
    record |= {"size": len(image), "digest": hashlib.sha256(image).hexdigest()}
    return {"slots": {label: record}}


def _blank_flash(slots: tuple[str, ...], slot_size: int, vfs_size: int, romfs_size: int) -> bytearray:
    """Erased flash with a partition table: otadata, two slots, the file system; or one slot, no otadata."""
    entries = [(1, 0x00, 0xD000, 2 * BLOCK, "otadata")] if len(slots) > 1 else []
    first_subtype = 0x10 if len(slots) > 1 else 0x00  # ota_0 or factory
    address = SLOT_ADDRESS
    for index, label in enumerate(slots):
        entries.append((0, first_subtype + index, address, slot_size, label))
        address += slot_size
    entries.append((1, 0x81, address, vfs_size, "vfs"))
    address += vfs_size
    if romfs_size:
        entries.append((1, 0x8F, address, romfs_size, "romfs"))
    flash = bytearray(b"\xff") * (address + romfs_size)
    for index, (kind, subtype, start, size, label) in enumerate(entries):
        entry = struct.pack("<HBBII16sI", 0x50AA, kind, subtype, start, size, label.encode(), 0)
        flash[TABLE_ADDRESS + 32 * index : TABLE_ADDRESS + 32 * index + 32] = entry
    return flash
