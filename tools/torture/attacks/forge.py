"""The images an attacker may have: all that the owner of the key ever signed, and some signed by others."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tools.cli import wholefile
from tools.image import images, signing
from tools.image.images import TRAILER_MARK
from tools.keys import certificates, keyfiles
from tools.keys.rotation import SIGN, SIGN_NEXT
from tools.testbed.testbed import BOARD
from tools.torture import fixture, pool
from tools.torture.attacks.cases import DAY_S, NOW
from tools.torture.fixture import BUILT, KINDS, NEW
from tools.torture.trace import Trace

PREFIX = "attack-"
BODY = 9_000  # three blocks, so that many cases take little time
FOREIGN_KEY = "foreign.key.pem"
SOON = "soon"  # of the offer signatures, the one that is still good for five minutes
S3 = 9  # chip id of the ESP32-S3; the simulated board's is 0
_ALL = f'"version":"1.0.1","board":"{BOARD}","build_time":""'
TRAILERS = {
    "dup-keys": {"raw": f'{{{_ALL},"board":"lamp"}}'},
    "dup-version": {"raw": f'{{{_ALL},"version":"1.0.2"}}'},
    "number": {"version": 101, "board": BOARD, "build_time": BUILT},
    "float": {"version": 1.01, "board": BOARD, "build_time": BUILT},
    "null": {"version": NEW, "board": None, "build_time": BUILT},
    "list": {"version": NEW, "board": [BOARD], "build_time": BUILT},
    "true": {"version": NEW, "board": True, "build_time": BUILT},
    "no-board": {"version": NEW, "build_time": BUILT},
    "no-version": {"board": BOARD, "build_time": BUILT},
    "nul-board": {"version": NEW, "board": BOARD + "\u0000", "build_time": BUILT},
    "prefix-board": {"version": NEW, "board": BOARD[:-1], "build_time": BUILT},
    "case-board": {"version": NEW, "board": BOARD.upper(), "build_time": BUILT},
    "space-board": {"version": NEW, "board": BOARD + " ", "build_time": BUILT},
    "inside-newer": {"version": "1.0.2", "board": BOARD, "build_time": BUILT},
    "inside-zero": {"version": "01.0.1", "board": BOARD, "build_time": BUILT},
    "inside-text": {"version": "1.0.1-rc", "board": BOARD, "build_time": BUILT},
    "inside-empty": {"version": "", "board": BOARD, "build_time": BUILT},
    "not-json": {"raw": "version 1.0.1"},
    "cut-json": {"raw": f"{{{_ALL}"},
    "array": {"raw": f'["1.0.1","{BOARD}",""]'},
    "empty": {"raw": ""},
    "deep": {"raw": f'{{{_ALL},"x":{"[" * 80 + "]" * 80}}}'},
    "bytes": {"raw": "\udcff\udcfe"},
    "too-long": {"version": NEW, "board": BOARD, "build_time": BUILT, "x": "x" * 500},
}


class Ground(NamedTuple):
    """What the cases of one boot mode are made from. offers, images: by name. offer_signatures: wrong ones
    for the offer of the image "signed-offer"."""

    mode: str
    trace: Trace
    offers: dict[str, dict]
    images: dict[str, bytes]
    offer_signatures: dict[str, dict]

    @property
    def kind(self) -> str:
        return KINDS[self.mode]


def grounds(fixtures: Path) -> dict[str, Ground]:
    """Of both boot modes, whose fixtures are made here unless they are there."""
    for mode in KINDS:
        if not (fixtures / (PREFIX + mode)).exists():
            _make(fixtures, mode)
    traces = pool.traces(fixtures, [PREFIX + mode for mode in KINDS], pool.HEAP["attacks"])
    return {trace.mode: _ground(fixtures, trace) for trace in traces.values()}


def _ground(fixtures: Path, trace: Trace) -> Ground:
    folder = fixtures / trace.fixture
    offers = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    found = {name: (folder / f"{name}.img").read_bytes() for name in offers}
    signatures = {path.stem: json.loads(path.read_text()) for path in folder.glob("offer-signatures/*.json")}
    return Ground(trace.mode, trace, offers, found, signatures)


def _make(fixtures: Path, mode: str) -> None:
    name = PREFIX + mode
    fixture.make_one(fixtures, name, mode, BODY)
    path = fixtures / "keys" / FOREIGN_KEY
    if not path.exists():
        wholefile.write(path, keyfiles.key_bytes(certificates.new_key(), "pem"), 0o600)

    def add(image_name: str, image: bytes, version: str, **options: Any) -> None:
        fixture.add_image(fixtures, name, image_name, image, version, **options)

    for image_name, version in (
        ("next", "1.0.2"),
        ("older", "0.9.9"),
        ("same", "1.0.0"),
        ("last", "99.99.99"),
    ):
        add(image_name, fixture.make_image(mode, version, BODY), version)
    add("foreign", fixture.make_image(mode, NEW, BODY), NEW, key=FOREIGN_KEY)
    add("other-board", fixture.make_image(mode, NEW, BODY, "lamp"), NEW)
    add("other-kind", fixture.make_image({"idf": "w80x", "w80x": "idf"}[mode], NEW, BODY), NEW)
    add("no-head", images.add_trailer(bytes(BODY), NEW, BOARD, BUILT), NEW)
    add("plain", _bare(mode, NEW), NEW)
    add("nameless", _bare(mode, ""), NEW)
    for image_name, record in TRAILERS.items():
        add(image_name, _bare(mode, NEW) + _trailer(record), NEW)
    one = _trailer({"version": NEW, "board": BOARD, "build_time": BUILT})
    add("twice-other", _bare(mode, NEW) + one + _trailer(TRAILERS["prefix-board"]), NEW)
    add("gap", _bare(mode, NEW) + bytes(16) + one, NEW)
    add("far-trailer", _bare(mode, NEW) + struct.pack("<H", 65535) + TRAILER_MARK, NEW)
    add("control-long-board", _bare(mode, NEW) + _padded_trailer(), NEW)
    _add_keys(fixtures, mode, add)
    _add_offer_signatures(fixtures, mode, add)
    add("too-big", fixture.make_image(mode, NEW, fixture.SLOT_SIZE), NEW)
    if mode == "idf":
        chip = images.esp32_image(bytes(BODY), NEW, S3)
        add("other-chip", images.add_trailer(chip, NEW, BOARD, BUILT), NEW)


def _add_keys(fixtures: Path, mode: str, add: Callable[..., None]) -> None:
    """Images of the next key and of a foreign one, and images that bring a key."""
    foreign = keyfiles.public_bytes(keyfiles.read_key(fixtures / "keys" / FOREIGN_KEY))
    brings = images.add_trailer(_bare(mode, NEW), NEW, BOARD, BUILT, foreign)
    add("by-next", fixture.make_image(mode, NEW, BODY), NEW, key=SIGN_NEXT)
    add("by-next-brings", brings, NEW, key=SIGN_NEXT)
    add("brings", brings, NEW)
    add("foreign-brings", brings, NEW, key=FOREIGN_KEY)
    add("foreign-2", fixture.make_image(mode, "1.0.2", BODY), "1.0.2", key=FOREIGN_KEY)
    point = base64.b64encode(foreign[-65:]).decode()
    for name, value in {
        "cut": point[:-4], "noise": "!" * 88, "off-curve": base64.b64encode(b"\x04" + bytes(64)).decode(),
        "number": 1, "null": None, "list": [point],
    }.items():  # fmt: skip
        record = {"version": NEW, "board": BOARD, "build_time": BUILT, "next_key": value}
        add(f"key-{name}", _bare(mode, NEW) + _trailer(record), NEW)


def _add_offer_signatures(fixtures: Path, mode: str, add: Callable[..., None]) -> None:
    """An image with a signed offer, another one as long and as new, and offer signatures that do not fit."""
    later = NOW + 30 * DAY_S
    image = fixture.make_image(mode, NEW, BODY)
    add("signed-offer", image, NEW, expires=later)
    add("unsigned-offer", images.add_trailer(_bare(mode, NEW), NEW, BOARD, BUILT), NEW)
    folder = fixtures / (PREFIX + mode) / "offer-signatures"
    folder.mkdir()
    owner, foreign = (keyfiles.read_key(fixtures / "keys" / name) for name in (SIGN, FOREIGN_KEY))
    for name, key, version, kind, expires in (
        ("expired", owner, NEW, KINDS[mode], NOW - 1), ("other-key", foreign, NEW, KINDS[mode], later),
        ("other-kind", owner, NEW, "raw", later), ("other-version", owner, "1.0.2", KINDS[mode], later),
        ("of-1970", owner, NEW, KINDS[mode], 0), (SOON, owner, NEW, KINDS[mode], NOW + 300),
    ):  # fmt: skip
        signature = signing.sign_offer(image, key, version, kind, expires)
        (folder / f"{name}.json").write_text(json.dumps(signature))


def _bare(mode: str, version: str) -> bytes:
    return images.wrap(KINDS[mode], bytes(range(250)) * (BODY // 250), version)


def _trailer(record: dict) -> bytes:
    text = record.get("raw")
    raw = json.dumps(record) if text is None else text
    data = raw.encode("utf-8", "surrogateescape")
    return data + struct.pack("<H", len(data)) + TRAILER_MARK


def _padded_trailer() -> bytes:
    """As long as a trailer may be: 512 bytes."""
    record = {"version": NEW, "board": BOARD, "build_time": BUILT, "x": ""}
    record["x"] = "x" * (images.TRAILER_LIMIT - len(json.dumps(record)))
    return _trailer(record)
