"""ESP32 images as Espressif's own tool makes and sees them: both sides agree on what is whole, and whose."""

from __future__ import annotations

import random
import re
from pathlib import Path

import esptools
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tools.errors import ToolError
from tools.image import esp32flash, images

CHIPS = {"ESP32": 0, "ESP32-S2": 2, "ESP32-C3": 5, "ESP32-S3": 9, "ESP32-C6": 13}
BODY = bytes(range(256)) * 9 + b"end"
DAMAGED = 6


@pytest.fixture(autouse=True, scope="module")
def fetched() -> None:
    try:
        esptools.folder()
    except ToolError as error:
        pytest.skip(str(error))


def seen(image: bytes, folder: Path) -> tuple[list[str], str]:
    """What esptool says of checksum and digest, ["valid", "valid"] if they are right; and all it says."""
    path = folder / "seen.bin"
    path.write_bytes(image)
    _, said = esptools.esptool("image_info", "--version", "2", str(path))
    return re.findall(r"^(?:Checksum|Validation hash): \S+ \((\w+)", said, re.MULTILINE), said


@pytest.mark.parametrize("chip", CHIPS)
def test_it_takes_our_images(chip: str, tmp_path: Path) -> None:
    image = images.esp32_image(BODY, "1.2.3", CHIPS[chip])
    verdicts, said = seen(image, tmp_path)
    assert verdicts == ["valid", "valid"], said
    assert re.search(rf"Chip ID: {CHIPS[chip]} \({chip}\)", said), said
    assert f"{len(image)} (bytes)" in said
    if chip == "ESP32":  # the others are only made to be refused, and lie at its addresses
        assert re.search(r"^App version: 1\.2\.3$", said, re.MULTILINE), said


@pytest.mark.parametrize("seed", range(DAMAGED))
def test_it_refuses_what_we_refuse(seed: int, tmp_path: Path) -> None:
    image = bytearray(images.esp32_image(BODY, "1.2.3"))
    at = random.Random(seed).randrange(images.ESP32_BODY, len(image))
    image[at] ^= 0x10
    assert images.describe(bytes(image))["crc_ok"] is False
    assert seen(bytes(image), tmp_path)[0] != ["valid", "valid"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An image by esptool, with the segments that an application of ESP-IDF has."""
    folder = tmp_path_factory.mktemp("elf")
    description = images.esp32_image(b"", "4.5.6")[32 : images.ESP32_BODY]
    sections = (
        (".flash.appdesc", images.ESP32_LOAD, description),
        (".flash.rodata", images.ESP32_LOAD + len(description), BODY + b"\0"),
        (".iram0.text", 0x40080000, BODY[:400]),
        (".flash.text", 0x400D0020, BODY[:2000]),
    )
    (folder / "app.elf").write_bytes(esptools.elf(*sections))
    words = ("--chip", "esp32", "elf2image", "--flash_size", "4MB", "-o", str(folder / "app.bin"))
    code, said = esptools.esptool(*words, str(folder / "app.elf"))
    assert code == 0, said
    return (folder / "app.bin").read_bytes()


def test_we_take_its_images(made: bytes) -> None:
    assert made[1] > 2  # segments
    described = images.describe(made)
    found = [described[name] for name in ("kind", "version", "length", "crc_ok")]
    assert found == ["esp32", "4.5.6", len(made), True]
    for at in (images.ESP32_BODY, len(made) // 2, len(made) - 33, len(made) - 1):
        damaged = made[:at] + bytes([made[at] ^ 1]) + made[at + 1 :]
        assert images.describe(damaged)["crc_ok"] is False, at
    assert images.describe(made[:-1])["crc_ok"] is False


def test_a_trailer_does_not_disturb_it(made: bytes, tmp_path: Path) -> None:
    """What `sign` makes of an image is still one for a cable."""
    signed = images.add_trailer(made, "4.5.7", "lamp", "May 24 2024 10:33:41")
    assert images.describe(signed)["version"] == "4.5.7"
    assert seen(signed, tmp_path)[0] == ["valid", "valid"]


def test_a_flash_that_it_merged_is_refused(made: bytes, tmp_path: Path) -> None:
    table = esp32flash.TABLE_ENTRY.pack(0x50AA, 0, 0x10, 0x10000, 0x180000, b"ota_0", 0)
    loader = images.esp32_image(b"boot" * 300)[:32] + bytes(3000)
    pieces = {"0x1000": loader, "0x8000": table.ljust(0xC00, b"\xff"), "0x10000": made}
    words = ["--chip", "esp32", "merge_bin", "-o", str(tmp_path / "flash.bin"), "--target-offset", "0x1000"]
    for address, content in pieces.items():
        (tmp_path / address).write_bytes(content)
        words += [address, str(tmp_path / address)]
    code, said = esptools.esptool(*words)
    assert code == 0, said
    with pytest.raises(ToolError, match="whole flash"):
        images.describe((tmp_path / "flash.bin").read_bytes())


def test_what_it_signed_for_secure_boot_is_known(made: bytes, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 3072)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(*form))
    (tmp_path / "app.bin").write_bytes(made)
    paths = [str(tmp_path / name) for name in ("key.pem", "signed.bin", "app.bin")]
    code, said = esptools.espsecure(
        "sign_data", "--version", "2", "--keyfile", paths[0], "--output", *paths[1:]
    )
    assert code == 0, said
    signed = (tmp_path / "signed.bin").read_bytes()
    described = images.describe(signed)
    assert len(signed) % esp32flash.SECTOR == 0 and len(signed) > len(made)
    assert (described["crc_ok"], described["length"]) == (True, len(signed))
