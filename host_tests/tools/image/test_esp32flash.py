"""ESP32 files that are not plain applications: a whole flash is refused, secure boot's signature is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.__main__ import parse
from tools.cli import wholefile
from tools.commands import sign
from tools.errors import ToolError
from tools.image import esp32flash, images
from tools.keys import certificates, keyfiles

APP = images.esp32_image(b"code" * 300)  # an .app-bin names no version: MicroPython leaves it out
BOOT_LOADER = images.esp32_image(b"boot")[:32] + bytes(4000)  # such an image, without a description


def _whole_flash(base: int) -> bytes:
    """Boot loader, partition table and application, as flashed from this address on."""
    flash = bytearray(b"\xff" * (0x10000 - base)) + APP
    flash[: len(BOOT_LOADER)] = BOOT_LOADER
    entries = [(1, 2, 0x9000, 0x6000, b"nvs"), (0, 0, 0x10000, 0x1F0000, b"factory")]
    for index, (kind, subtype, address, size, label) in enumerate(entries):
        at = 0x8000 - base + 32 * index
        flash[at : at + 32] = esp32flash.TABLE_ENTRY.pack(0x50AA, kind, subtype, address, size, label, 0)
    return bytes(flash)


@pytest.mark.parametrize("base", esp32flash.BOOT_LOADER_ADDRESSES, ids=hex)
def test_a_whole_flash_is_refused_with_the_cure(base: int) -> None:
    with pytest.raises(ToolError, match="whole flash.*app-bin"):
        images.describe(_whole_flash(base))


def test_sign_refuses_a_whole_flash_and_takes_the_application_in_it(tmp_path: Path) -> None:
    wholefile.write(tmp_path / "sign.key.pem", keyfiles.key_bytes(certificates.new_key()), 0o600)
    image = tmp_path / "firmware.bin"
    options = ["--key", str(tmp_path / "sign.key.pem"), "--http-url", "http://h/f", "--version", "1.0.0"]
    arguments = parse(sign, "sign", [str(image), *options, "--board", "lamp"])
    image.write_bytes(_whole_flash(0x1000))
    with pytest.raises(ToolError, match="whole flash"):
        sign.run(arguments)
    image.write_bytes(_whole_flash(0x1000)[0xF000:])
    assert sign.run(arguments) == 0
    signed = images.describe((tmp_path / "firmware-1.0.0.img").read_bytes())
    assert (signed["kind"], signed["version"], signed["crc_ok"]) == ("esp32", "1.0.0", True)


def test_an_application_with_a_table_in_its_data_is_none() -> None:
    body = bytearray(0x10000)
    table = _whole_flash(0)[0x8000:0x8040]
    body[0x7000 - 288 : 0x7040 - 288] = table
    described = images.describe(images.esp32_image(bytes(body)))
    assert described["kind"] == "esp32" and described["crc_ok"] is True


def test_a_signature_of_secure_boot_belongs_to_the_image() -> None:
    """The layout is that of espsecure 5: 0xFF up to the next sector, then a sector of signature blocks."""
    padded = APP + b"\xff" * (-len(APP) % 4096)
    signed = padded + b"\xe7\x02" + bytes(4094)
    assert images.describe(signed)["crc_ok"] is True
    assert images.describe(signed)["length"] == len(signed)
    for spoilt in (signed[:-1], signed + b"\0", padded, padded[:-1] + b"\0" + signed[len(padded) :]):
        assert images.describe(spoilt)["crc_ok"] is False


def test_an_app_bin_is_recognised() -> None:
    described = images.describe(APP)
    assert (described["kind"], described["version"], described["crc_ok"]) == ("esp32", "", True)
