"""The device package and an application as boards get them: modules compiled, and images of all of them."""

from __future__ import annotations

import functools
import os
import re
import time
from pathlib import Path

from tools.errors import ToolError
from tools.image import images, romfs
from tools.image.shortnames import ShortNames
from tools.image.versions import check as check_version

PACKAGE = "device"
MANIFEST = "manifest.py"  # for MicroPython's build, no module
GUARDS = "guard.start()"  # what a boot.py must do
STARTERS = ("boot.py", "main.py")  # MicroPython runs them from the file system, or frozen
REPO = Path(__file__).resolve().parents[2]
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def build_image(
    version: str,
    kind: str,
    board: str,
    source: bool = False,
    app: Path | None = None,
    build_time: str | None = None,
    next_key: bytes | None = None,
    sources: Path = REPO,
) -> bytes:
    """The project's device/ package and main.py as an image with trailer.

    kind: one of images.KINDS. source: keep .py, for CPython. app: a folder whose files come on
    top, its main.py instead of the project's. build_time: e.g. "May 24 2024 10:33:41", default
    now (or SOURCE_DATE_EPOCH). next_key: see images.add_trailer. sources: the folder of device/,
    boot.py and main.py, where another release is to be built. Same input gives the same bytes.
    Raises ToolError.
    """
    check_version(version)
    if not board:
        raise ToolError("no board name: give --board")
    body = romfs.pack(contents(application_files(app, sources), source))
    image = images.wrap(kind, body, version)
    return images.add_trailer(image, version, board, build_time or default_build_time(), next_key)


def build_romfs(source: bool = False, app: Path | None = None) -> bytes:
    """The package and the application's files as a ROMFS, which a board mounts at /rom."""
    files = application_files(app)
    return romfs.pack(contents({name: files[name] for name in files if name not in STARTERS}, source))


def package_modules(sources: Path = REPO) -> dict[str, Path]:
    """The modules of the device package by their names in it."""
    paths = sorted((sources / PACKAGE).glob("*.py"))
    return {path.name: path for path in paths if path.name != MANIFEST}


@functools.cache
def short_names() -> ShortNames:
    """Of the package in this checkout: what its .mpy files and tracebacks from boards go by."""
    return ShortNames({path.stem: path.read_text(encoding="utf-8") for path in package_modules().values()})


@functools.cache
def _shortened(stem: str) -> str:
    return short_names().shorten(stem)


def compile_module(path: Path, name: str, level: int = 0) -> bytes:
    """The .mpy of a module as boards get it, as romfs.compile_module() makes it; one of the package has short
    names, and tracebacks show the module's name, which a board keeps anyway."""
    if path.parent != REPO / PACKAGE or path.name == MANIFEST:
        return romfs.compile_module(path, name, level)
    return romfs.compile_module(path, path.stem, level, _shortened(path.stem))


def contents(files: dict[str, Path], source: bool) -> dict[str, bytes]:
    """What goes into an image: modules as .mpy unless `source`; boot.py and main.py as they are. Raises
    ToolError for what mpy-cross does not take."""
    result = {}
    for name, path in files.items():
        is_module = name.endswith(".py")
        compiled = compile_module(path, name) if is_module else b""  # also to see that it is one
        if is_module and name not in STARTERS and not source:
            result[name[:-3] + ".mpy"] = compiled
        else:
            result[name] = path.read_bytes()
    return result


def application_files(app: Path | None = None, sources: Path = REPO) -> dict[str, Path]:
    """What belongs into the image, by its name there."""
    files = {f"{PACKAGE}/{name}": path for name, path in package_modules(sources).items()}
    files |= {name: sources / name for name in STARTERS}
    if app is not None:
        files.update(romfs.collect(app))
    for name in STARTERS:
        if not files[name].is_file():
            raise ToolError(f"{files[name]} is missing: restore it or give --app")
    is_of_before = files["boot.py"].parent == sources != REPO  # it may have guarded nothing yet
    if not is_of_before and GUARDS not in files["boot.py"].read_text(errors="replace"):
        raise ToolError(f"{files['boot.py']} guards no image on trial: begin it as this project's boot.py")
    return files


def default_build_time() -> str:
    """Now in UTC, or what SOURCE_DATE_EPOCH says, for builds that can be repeated."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return format_time(int(time.time()))
    if not re.fullmatch("[0-9]{1,11}", epoch):
        raise ToolError("SOURCE_DATE_EPOCH must be Unix seconds: correct or unset it")
    return format_time(int(epoch))


def format_time(unix_s: int) -> str:
    """The vendor's way to write a time, English in every locale: "May 24 2024 10:33:41"."""
    moment = time.gmtime(unix_s)
    return f"{_MONTHS[moment.tm_mon - 1]} {moment.tm_mday:02} " + time.strftime(
        "%Y %H:%M:%S", moment
    )
