"""`sign` knows what it is given: images of kind esp32 and wm; all else is named and refused with the cure,
and only --kind raw makes an image of it."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import re
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools.__main__ import parse
from tools.commands import sign
from tools.errors import ToolError
from tools.image import esp32flash, imagecheck, images, romfs
from tools.keys import certificates, keyfiles

APP = images.esp32_image(b"code" * 300, "1.0.0")
WM = images.wm_image(b"body" * 100, "1.0.0")
LOADER = images.esp32_image(b"boot" * 300)[:32] + bytes(3000)
TABLE = b"".join(
    esp32flash.TABLE_ENTRY.pack(0x50AA, kind, subtype, address, size, label, 0)
    for kind, subtype, address, size, label in (
        (1, 2, 0x9000, 0x6000, b"nvs"), (0, 0x10, 0x10000, 0x180000, b"ota_0"),
    )
).ljust(0xC00, b"\xff")  # fmt: skip


def _flash(**pieces: bytes) -> bytes:
    """at_<hexadecimal address>=content; 0xFF between them."""
    flash = bytearray()
    for place, content in pieces.items():
        address = int(place.removeprefix("at_"), 16)
        flash += b"\xff" * (address - len(flash)) + content
    return bytes(flash)


def _zip() -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("micropython.bin", APP)
        return file.getvalue()


def _tar() -> bytes:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("micropython.bin"))
        return file.getvalue()


def _uf2(payload: bytes) -> bytes:
    head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, 0x10000000, 256, 0, 1, 0xE48BFF56)
    return head + payload[:476].ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)


def _public() -> bytes:
    return keyfiles.public_bytes(certificates.new_key())


WHOLE = "whole flash"
FILES = {  # name: (content, what the error says)
    "empty": (b"", "empty"),
    "zeros": (bytes(5000), "nothing but 0x00"),
    "otadata": (b"\xff" * 8192, "nothing but 0xFF"),
    "uf2": (_uf2(APP), "UF2"),
    "elf": (b"\x7fELF\x01\x01\x01" + bytes(200), "ELF"),
    "zip": (_zip(), "zip"),
    "gzip": (gzip.compress(APP), "gzip"),
    "tar": (_tar(), "tar"),
    "xz": (b"\xfd7zXZ\0" + bytes(range(200)), "xz"),
    "html": (b"\n<!DOCTYPE html><html>Not found</html>", "web page"),
    "xml": ("\ufeff<?xml version='1.0'?><Error/>".encode(), "web page"),
    "utf-16 page": ("<html>nicht gefunden</html>".encode("utf-16"), "web page"),
    "intel hex": (b":020000040800F2\r\n:10000000000002202D010008\r\n" * 9, "Intel HEX"),
    "s-records": (b"S00F000068656C6C6F202020202000003C\nS11F00007C0802A6900100049421FFF0\n" * 9, "S-records"),
    "json": (json.dumps({"version": "1.0.0", "size": 5}).encode(), "JSON"),
    "python": (b"import machine\nmachine.reset()\n", "Python program"),
    "python, one line": (b'print("hello")', "Python program"),
    "text": ("Änderungen in 1.2.0: keine.\n".encode() * 900, "a text"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "git lfs pull"),
    "pem": (keyfiles.key_bytes(certificates.new_key()), "a key or a certificate"),
    "der": (_public(), "a key or a certificate"),
    "der, short": (b"\x30\x03\x02\x01\x05", "a key or a certificate"),
    "der, its length in two bytes": (b"\x30\x81\x80" + bytes(range(128)), "a key or a certificate"),
    "der, its first byte": (b"\x30", "a text"),
    "der, cut in its length": (b"\x30\x81", "`sign --kind raw`"),
    "der, cut off": (_public()[:-1], "`sign --kind raw`"),
    "mpy": (b"M\x06\x00\x1f" + bytes(range(200)), "compiled module"),
    "romfs": (romfs.pack({"a.py": b"1" * 200}), "ROMFS"),
    "dfu": (b"DfuSe\x01" + bytes(range(200)), "DFU"),
    "loader": (LOADER, "boot loader"),
    "table": (TABLE, "a partition table"),
    "from table": (_flash(at_0=TABLE, at_1000=b"nvs", at_8000=APP), "from its partition table on"),
    "from 0x1000": (_flash(at_0=LOADER, at_7000=TABLE, at_f000=APP), WHOLE),
    "from 0x0, S3": (_flash(at_0=LOADER, at_8000=TABLE, at_10000=APP), WHOLE),
    "from 0x0, ESP32": (_flash(at_0=b"", at_1000=LOADER, at_8000=TABLE, at_10000=APP), WHOLE),
    "from 0x0, cut off": (_flash(at_0=b"", at_2000=LOADER), WHOLE),
    "from 0x9000": (_flash(at_0=b"nvs", at_7000=APP), "copy of flash"),
    "table at 0x10000": (_flash(at_0=LOADER, at_10000=TABLE, at_20000=APP), "copy of flash"),
    "digest of secure boot v1": (_flash(at_0=random.Random(1).randbytes(192), at_1000=LOADER, at_8000=TABLE),
                                 "copy of flash"),
    "secure boot v1": (APP + bytes(4) + random.Random(2).randbytes(64), "secure boot version 1"),
    "copy of a slot": (APP.ljust(0x4000, b"\xff"), "followed by .* bytes of nothing"),
    "two images": (APP + b"more", "followed by 4 bytes that do not belong"),
    "cut off": (APP[:-40], "cut off"),
    "wm cut off": (WM[:-40], "cut off"),
    "wm boot loader": (images.wm_image(b"b" * 100, "1.0.0", image_type=0), "boot loader"),
    "fls": (images.wm_image(b"b" * 100, "", image_type=0) + WM, "boot loader"),
    "wm gzip": (images.wm_image(b"b" * 100, "1.0.0", attributes=1 << 16), "compressed"),
    "unknown": (random.Random(3).randbytes(5000), "`sign --kind raw`"),
}  # fmt: skip


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "sign.key.pem"
    path.write_bytes(keyfiles.key_bytes(certificates.new_key()))
    path.chmod(0o600)
    return path


def _sign(image: Path, key: Path, *words: object) -> argparse.Namespace:
    arguments = [str(image), "--key", str(key), *map(str, words)]
    return sign.run(parse(sign, "sign", arguments))


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_image_is_named_and_refused(name: str, key: Path, tmp_path: Path) -> None:
    content, words = FILES[name]
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ToolError, match=words) as told:
        _sign(tmp_path / "file", key, "--version", "1.0.0", "--board", "lamp")
    assert "\n" not in str(told.value) and ": " in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("content", [APP, WM], ids=["esp32", "wm"])
def test_images_are_recognised(content: bytes, key: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert _sign(tmp_path / "file", key) == 0
    with pytest.raises(ToolError, match="of kind .*, not raw"):
        _sign(tmp_path / "file", key, "--kind", "raw")


@pytest.mark.parametrize("name", ["unknown", "gzip", "romfs"])
def test_raw_is_an_image_if_the_user_says_so(name: str, key: Path, tmp_path: Path, capsys) -> None:
    """With a warning where it seems to be something else."""
    (tmp_path / "file").write_bytes(FILES[name][0])
    assert _sign(tmp_path / "file", key, "--kind", "raw", "--offer-version", "1.0.0") == 0
    assert ("warning: the image is a" in capsys.readouterr().err) == (name != "unknown")
    with pytest.raises(ToolError, match="sign --kind raw|archive|ROMFS"):
        _sign(tmp_path / "file", key, "--kind", "wm", "--offer-version", "1.0.0")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0x180000, "for 4 MiB, 8 MiB, 16 and 32 MiB of flash"), (0x180001, "for 8 MiB, 16 and 32 MiB"),
        (0x280000, "for 16 and 32 MiB"), (0x280001, "warning: .* fit no slot"),
    ],
)  # fmt: skip
def test_the_slots_that_it_fits_are_told(size: int, words: str, key: Path, tmp_path: Path, capsys) -> None:
    start = len(images.esp32_image(b"", "1.0.0"))
    trailer = len(images.add_trailer(b"", "1.0.0", "lamp", "May 24 2024 10:33:41"))
    body = (size - trailer) // 16 * 16 - start
    image = images.esp32_image(bytes(body), "1.0.0")
    board = "lamp" + "x" * (size - trailer - len(image))
    (tmp_path / "file").write_bytes(images.add_trailer(image, "1.0.0", board, "May 24 2024 10:33:41"))
    assert (tmp_path / "file").stat().st_size == size
    assert _sign(tmp_path / "file", key, "--output-offer", tmp_path / "offer") == 0
    shown = capsys.readouterr().err
    assert re.search(words, shown), shown
    assert f"wrote {tmp_path / 'offer'}, the offer of {tmp_path / 'file'}" in shown


def test_a_file_without_end_is_refused(key: Path) -> None:
    with pytest.raises(ToolError, match="File too large"):
        imagecheck.read(Path("/dev/zero"))


@pytest.mark.parametrize("name", ["key", "image"])
def test_what_is_read_is_not_written(name: str, key: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(APP)
    target = {"key": key, "image": tmp_path / "file"}[name]
    before = target.read_bytes()
    with pytest.raises(ToolError, match="give another file"):
        _sign(tmp_path / "file", key, "--output-offer", target)
    assert target.read_bytes() == before


@pytest.mark.parametrize("words", [["--output", "new", "--output-offer", "./new"],
                                   ["--output-offer", "file-1.0.0.img"]])  # fmt: skip
def test_the_offer_does_not_replace_the_image(
    words: list[str], key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(APP)
    with pytest.raises(ToolError, match="cannot hold two results"):
        _sign(Path("file"), key, "--version", "1.0.0", "--board", "lamp", *words)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_offer_that_cannot_be_printed_leaves_no_image(key: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_bytes(APP)
    with open("/dev/full", "wb", buffering=0) as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(full), write_through=False))
        with pytest.raises(OSError, match="No space left"):
            _sign(tmp_path / "file", key, "--version", "1.0.0", "--board", "lamp")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "words",
    ["--delay 100000000000000000000", "--delay -1", "--delay 1e3", "--expires 0", "--expires 99999999",
     "--build-time yesterday", "--kind zip"],
)  # fmt: skip
def test_absurd_values_are_refused_before_anything_is_read(words: str, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        _sign(Path("none"), Path("none"), *words.split())
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("python3 -m tools sign: error: argument --")


@pytest.mark.parametrize("url", ["https://h:99999/f", "https://h:0/f", "https://[::1]/f", "https://h/a b"])
def test_a_url_is_checked_as_boards_do(url: str, key: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(APP)
    with pytest.raises(ToolError, match="is not an absolute https:// URL: "):
        _sign(tmp_path / "file", key, "--https-url", url)
