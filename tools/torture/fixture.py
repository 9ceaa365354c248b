"""What every case begins with: keys, two small images, an offer, and a board that runs the first image.

A fixture is a folder: board/, old.img (which runs), and <name>.img with its offer <name>.json for each image
that may be offered; "new" is the owner's update.
"""

from __future__ import annotations

import json
import random
import struct
import zlib
from pathlib import Path
from typing import Any

from tools.image import images, signing
from tools.keys import keyfiles, pki
from tools.keys.rotation import SIGN
from tools.simboard.board import BLOCK
from tools.simboard.factory import create
from tools.testbed.testbed import BOARD, MAC

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
    """folder/<mode>/ for both boot modes, as fixture.Fixture reads it."""
    pki.make_all(folder / "keys", [MAC], next_key=True)
    for mode in KINDS:
        make_one(folder, mode, mode, BODY)


def make_big(folder: Path) -> None:
    """folder/big/, with an image and a checkpoint interval as in life; once."""
    if not (folder / "big").exists():
        make_one(folder, "big", "idf", BIG_BODY, BIG_SLOT_SIZE, {"checkpoint_kib": 64})


def make_one(
    folder: Path, name: str, mode: str, body: int, slot_size: int = SLOT_SIZE, changes: Any = None
) -> None:
    """folder/<name>/. body: bytes of the images, without header and trailer; changes: of CONFIG."""
    old, new = (make_image(mode, version, body) for version in (OLD, NEW))
    config = CONFIG | {"image": KINDS[mode], "require_rollback": mode == "idf"} | (changes or {})
    create(
        folder / name / "board", old, config, folder / "keys" / "devices" / MAC, mac=MAC,
        boot_mode=mode, slot_size=slot_size, heap_kib=1024,
    )  # fmt: skip
    if mode == "idf":
        _mark_valid(folder / name / "board" / "flash.bin")
    (folder / name / "old.img").write_bytes(old)
    add_image(folder, name, "new", new, NEW)


def add_image(
    folder: Path, fixture: str, name: str, image: bytes, version: str, key: str = SIGN,
    expires: int | None = None,
) -> None:  # fmt: skip
    """An image signed with folder/keys/<key>, and its offer, which calls it that version. expires: Unix s,
    for a signed offer."""
    signer = keyfiles.read_key(folder / "keys" / key)
    offer = signing.offer(image, signer, version=version, https_url="https://files/new.img", expires=expires)
    (folder / fixture / f"{name}.img").write_bytes(image)
    (folder / fixture / f"{name}.json").write_text(json.dumps(offer))


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


def make_image(mode: str, version: str, body: int, board: str = BOARD) -> bytes:
    image = images.wrap(KINDS[mode], random.Random(version).randbytes(body), version)
    return images.add_trailer(image, version, board, BUILT)
