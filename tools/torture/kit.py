"""What every case begins with: keys, two small images, an offer, and a board that runs the first image."""

from __future__ import annotations

import json
import random
import struct
import zlib
from pathlib import Path
from typing import Any

from tools import images, keyfiles, pki, signing
from tools.simboard.board import BLOCK
from tools.simboard.factory import create
from tools.stage import BOARD, MAC

OLD, NEW = "1.0.0", "1.0.1"
BUILT = "Jan 05 2027 00:00:00"
SLOT_SIZE = 8 * BLOCK
BODY = 29_000  # of an image that fills the slot's last block only in part
OTADATA_ADDRESS, VALID = 0xD000, 2
BIG_SLOT_SIZE = 384 * BLOCK
BIG_BODY = 1_306_300
KINDS = {"idf": "esp32", "w80x": "wm"}
CONFIG = {
    "wifi": [["home", "correct horse"]],
    "broker": "mqtts://broker",
    "board": BOARD,
    "ntp_hosts": ["ntp"],
    "check_interval_s": 0,
    "checkpoint_kib": BLOCK // 1024,
    "backoff_max_s": 8,
}


def make(folder: Path) -> None:
    """folder/<mode>/ for both boot modes, as world.Kit reads it."""
    keys = folder / "keys"
    pki.make_all(keys, [MAC])
    for mode in KINDS:
        _make(folder / mode, mode, keys, BODY, SLOT_SIZE, {})


def make_big(folder: Path) -> None:
    """folder/big/, with an image and a checkpoint interval as in life; once."""
    if not (folder / "big").exists():
        _make(folder / "big", "idf", folder / "keys", BIG_BODY, BIG_SLOT_SIZE, {"checkpoint_kib": 64})


def _make(
    folder: Path, mode: str, keys: Path, body: int, slot_size: int, changes: dict[str, Any]
) -> None:
    old, new = (_image(mode, version, body) for version in (OLD, NEW))
    config = CONFIG | {"image": KINDS[mode], "require_rollback": mode == "idf"} | changes
    create(
        folder / "board", old, config, keys / "devices" / MAC, mac=MAC, boot_mode=mode,
        slot_size=slot_size, heap_kib=1024,
    )  # fmt: skip
    if mode == "idf":
        _mark_valid(folder / "board" / "flash.bin")
    offer = signing.offer(
        new, keyfiles.read_key(keys / "sign.key.pem"), version=NEW, https_url="https://files/new.img"
    )
    (folder / "old.img").write_bytes(old)
    (folder / "new.img").write_bytes(new)
    (folder / "offer.json").write_text(json.dumps(offer))


def _mark_valid(flash: Path) -> None:
    """As after an update of long ago: the boot loader's record names the first slot, and is valid. (The
    real boards of the sample begin with a blank record.)"""
    sequence = struct.pack("<I", 1)
    entry = sequence + b"\xff" * 20 + struct.pack("<I", VALID) + _crc(sequence)
    with flash.open("r+b") as file:
        file.seek(OTADATA_ADDRESS)
        file.write(entry)


def _crc(sequence: bytes) -> bytes:
    return struct.pack("<I", zlib.crc32(sequence, 0xFFFFFFFF))


def _image(mode: str, version: str, body: int) -> bytes:
    image = images.wrap(KINDS[mode], random.Random(version).randbytes(body), version)
    return images.add_trailer(image, version, BOARD, BUILT)
