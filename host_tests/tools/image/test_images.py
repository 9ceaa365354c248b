"""Image formats and the build of firmware, on the host."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.image import firmware, images, versions
from tools.programs import runtimes

TIME = "May 24 2024 10:33:41"
BODY_OFFSETS = {"raw": 0, "wm": 64, "esp32": 288}
# The first 64 bytes of a real vendor image, w80x_atcmd_2.2_ota.img.
VENDOR_HEADER = bytes.fromhex(
    "9fffffa00100100000f40008d87d080000f000080010130819e3e0cf00000000"
    "322e302e3564657600000000000000000000000000000000000000002ec5d8c9"
)


def test_wm_header_has_the_fields_and_crcs_of_the_format() -> None:
    image = images.wm_image(b"body", "1.2.3", image_type=2)
    magic, attributes, run, length = struct.unpack_from("<4I", image)
    assert (magic, attributes, run, length) == (0xA0FFFF9F, 2, 0x0800F400, 4)
    assert struct.unpack_from("<I", image, 24)[0] == zlib.crc32(b"body") ^ 0xFFFFFFFF
    assert image[32:48] == b"1.2.3".ljust(16, b"\0")
    assert struct.unpack_from("<I", image, 60)[0] == zlib.crc32(image[:60]) ^ 0xFFFFFFFF
    assert image[64:] == b"body"


def test_the_crc_is_the_one_of_a_real_vendor_image() -> None:
    assert images.wm_crc(VENDOR_HEADER[:60]) == struct.unpack_from("<I", VENDOR_HEADER, 60)[0]
    described = images.describe(VENDOR_HEADER)
    assert (described["kind"], described["version"]) == ("wm", "2.0.5dev")
    assert described["length"] == 556568
    assert described["crc_ok"] is False  # its body is not here


@pytest.mark.parametrize("length", [0, 1, 3, 4, 15, 16, 17, 1000])
def test_esp32_image_is_laid_out_as_the_bootloader_wants(length: int) -> None:
    image = images.esp32_image(bytes(range(256))[:length] * 1, "1.2.3", chip_id=9)
    assert image[0] == 0xE9 and image[1] == 1 and image[23] == 1
    assert struct.unpack_from("<H", image, 12)[0] == 9
    assert struct.unpack_from("<I", image, 32)[0] == 0xABCD5432
    assert image[48:80] == b"1.2.3".ljust(32, b"\0")
    segment_length = struct.unpack_from("<I", image, 28)[0]
    assert segment_length % 4 == 0
    checksum = 0xEF
    for byte in image[32 : 32 + segment_length]:
        checksum ^= byte
    assert len(image) % 16 == 0 and image[-33] == checksum
    assert image[-32:] == hashlib.sha256(image[:-32]).digest()
    assert images.describe(image)["length"] == len(image)


@pytest.mark.parametrize("kind", images.KINDS)
def test_describe_tells_kind_version_and_length(kind: str) -> None:
    image = images.wrap(kind, b"x" * 100, "1.2.3")
    whole = images.add_trailer(image, "1.2.3", "bench-板", TIME)
    described = images.describe(whole)
    assert described["kind"] == kind and described["version"] == "1.2.3"
    assert (described["length"], described["size"]) == (len(image), len(whole))
    assert described["trailer"] == {"version": "1.2.3", "board": "bench-板", "build_time": TIME}
    assert described["crc_ok"] is (None if kind == "raw" else True)


@pytest.mark.parametrize("kind", ["wm", "esp32"])
def test_describe_sees_every_flipped_body_bit_and_a_cut(kind: str) -> None:
    image = images.wrap(kind, b"x" * 100, "1.2.3")
    for at in range(BODY_OFFSETS[kind], len(image)):
        damaged = bytearray(image)
        damaged[at] ^= 0x10
        assert images.describe(bytes(damaged))["crc_ok"] is False, at
    for end in range(300 if kind == "esp32" else 64, len(image)):
        assert images.describe(image[:end])["crc_ok"] is False, end


def test_what_is_no_known_image_is_raw() -> None:
    for content in (b"", b"\xe9", b"\xe9" + bytes(400), b"text"):
        assert images.describe(content)["kind"] == "raw"


def test_trailer_refusals() -> None:
    whole = images.add_trailer(b"body", "1.2.3", "b", TIME)
    with pytest.raises(ToolError, match="trailer already"):
        images.add_trailer(whole, "1.2.3", "b", TIME)
    with pytest.raises(ToolError, match="shorten"):
        images.add_trailer(b"body", "1.2.3", "b" * 512, TIME)
    assert images.read_trailer(b"body") is None
    for damaged in (b"{}" + b"\x02\x00OTAT", b"[" + b"\x01\x00OTAT", b"\xff\xffOTAT"):
        with pytest.raises(ToolError, match="trailer"):
            images.read_trailer(damaged)


@pytest.mark.parametrize("text", ["1.2", "1.2.100", "01.2.3", "1.2.3 ", "+1.2.3", "", "1.2.3.4"])
def test_versions_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ToolError, match="MAJOR.MINOR.PATCH"):
        versions.check(text)
    assert versions.check("99.0.10") == "99.0.10"


def test_an_image_holds_the_package_and_the_application(app: Path) -> None:
    contents = firmware.contents(firmware.application_files(app), source=False)
    assert {"main.py", "data.json", "toy/part.mpy", "device/strict.mpy"} <= set(contents)
    assert not any("cache" in name or "hidden" in name for name in contents)
    assert contents["main.py"] == (app / "main.py").read_bytes()
    source = firmware.contents(firmware.application_files(app), source=True)
    assert "toy/part.py" in source and not any(name.endswith(".mpy") for name in source)


def test_same_input_gives_the_same_bytes(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1716546821")
    first = firmware.build_image("1.2.3", "esp32", "bench", app=app)
    copy = app.rename(app.with_name("moved"))
    assert firmware.build_image("1.2.3", "esp32", "bench", app=copy) == first
    trailer = images.read_trailer(first)
    assert trailer is not None and trailer["build_time"] == TIME


def test_a_module_that_does_not_compile_is_named(app: Path) -> None:
    (app / "toy" / "part.py").write_text("def add(:\n")
    with pytest.raises(ToolError, match="part.py does not compile.*SyntaxError"):
        firmware.build_image("1.2.3", "raw", "bench", app=app)


MOUNT = """
import sys, vfs
with open(sys.argv[1], "rb") as file:
    image = file.read()
vfs.mount(vfs.VfsRom(memoryview(image)[int(sys.argv[2]):]), "/rom")
sys.path.insert(0, "/rom")
import device.strict
print(device.strict.__file__, device.strict.version("1.2.3"))
exec(open("/rom/main.py").read())
"""


@pytest.mark.parametrize("interpreter", runtimes.WORD_BITS)
@pytest.mark.parametrize("kind", images.KINDS)
def test_micropython_mounts_and_runs_the_body_in_place(
    interpreter: str, kind: str, app: Path, tmp_path: Path
) -> None:
    (tmp_path / "mount.py").write_text(MOUNT)
    (tmp_path / "image").write_bytes(firmware.build_image("1.2.3", kind, "bench", app=app))
    command = [*runtimes.interpreter(interpreter), str(tmp_path / "mount.py")]
    command += [str(tmp_path / "image"), str(BODY_OFFSETS[kind])]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    expected = "/rom/device/strict.mpy (1, 2, 3)\nran 42\n"
    assert (result.stdout, result.returncode) == (expected, 0), result.stderr
