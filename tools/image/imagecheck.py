"""Is a file an image that boards can install? If not: what it is, and what to give instead."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from tools.cli import wholefile
from tools.errors import ToolError
from tools.image import esp32flash, fileformats, images

LARGEST = 64 * 1024 * 1024  # bytes: more than any slot
_WM_REFUSED = {0: "a W80x boot loader, or an .fls, which begins with one", 14: "a W80x test program"}
_WM_GZIP, _WM_NO_XZ = 1 << 16, 1 << 21


def read(path: Path) -> bytes:
    """The file. Raises ToolError."""
    try:
        return wholefile.read(path, LARGEST)
    except OSError as error:
        raise ToolError(f"cannot read the image {path}: {error.strerror}") from None


def check(image: bytes, path: Path, kind: str | None) -> dict[str, Any]:
    """What images.describe() says of it. kind: what the user says it is, None = nothing; only this makes a
    file without a known header an image, of kind "raw". Raises ToolError that names the file's real kind."""
    described = images.describe(image)
    found = described["kind"]
    if found == "raw" and kind != "raw":
        raise ToolError(f"{path} is " + _name(image))
    if kind not in (None, found):
        raise ToolError(f"{path} is an image of kind {found}, not {kind}")
    if found == "wm":
        _check_wm(image, path)
    if described["crc_ok"] is False:
        raise ToolError(f"{path} is " + _damage(image, described))
    return described


def remark(image: bytes) -> str:
    """Remarks for the signer: which slots it fits, and what an image of kind "raw" seems to be."""
    kind = images.describe(image)["kind"]
    if kind == "raw":
        known = fileformats.recognise(image)
        name = known[0] if known else esp32flash.recognise(image)
        return f"warning: the image is {name}: can these boards boot that?" if name else ""
    return _fit(len(image)) if kind == "esp32" else ""


def _fit(size: int) -> str:
    tables, fitting = "MicroPython's own OTA partition tables", esp32flash.fitting(size)
    if fitting:
        return f"{size:,} bytes fit the slots of {tables} for {', '.join(fitting)} of flash"
    largest = max(esp32flash.SLOTS.values())
    return f"warning: {size:,} bytes fit no slot of {tables} ({largest:,} at most), only those of larger ones"


def _name(content: bytes) -> str:
    known = fileformats.recognise(content)
    if known:
        return ": ".join(known)
    flash = esp32flash.recognise(content)
    if flash:
        return f"{flash}: {esp32flash.APPLICATION}"
    return (
        'not an image of kind esp32 or wm: `sign --kind raw` takes it for boards with "image": "raw", which '
        "install it as it is"
    )


def _check_wm(image: bytes, path: Path) -> None:
    (attributes,) = struct.unpack_from("<I", image, 4)
    name = _WM_REFUSED.get(attributes & 15)
    if attributes & (_WM_GZIP | _WM_NO_XZ):
        name = "compressed in a way that boards do not know (xz they do)"
    if name:
        raise ToolError(f"{path} is {name}: give the application's image for updates, *_ota.img of the build")


def _damage(image: bytes, described: dict[str, Any]) -> str:
    """Why its checks fail."""
    length = described["length"]
    has_good_begin = (
        described["kind"] == "esp32" and length and images.describe(image[:length])["crc_ok"]
    )  # fmt: skip
    end = len(image) - images.trailer_size(image)
    if has_good_begin and length < end:
        return f"an application followed by {esp32flash.describe_rest(image[length:end])}"
    return "damaged or cut off, its header's checks fail: fetch or build it again"
