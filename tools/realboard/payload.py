"""What `deploy` puts on a board: path there → content. Modules go to /lib: frozen ones come before them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tools.errors import ToolError
from tools.image import firmware, romfs
from tools.programs import runtimes

CONFIG = "ota.json"
CERTIFICATES = "certs"
RECORDS = ("ota_state", "ota_floor", "ota_journal", "ota_cause", "ota_reserve")  # the agent's own begin so
UMQTT = "lib/umqtt/simple"
# Modules that only such a configuration needs: module → key, value.
OPTIONS = {"texts_zh.py": ("language", "zh"), "wm.py": ("image", "wm")}
_STRIPPED = 3  # mpy-cross -O3: no line numbers, which would cost heap


@dataclass
class Payload:
    """package: the files of the device package by their names in it. files: all others, by their paths on the
    board, in the order in which they take their places."""

    package: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def package(source: bool, config: dict | None = None) -> dict[str, bytes]:
    """The device package, compiled unless `source`. config: the board's, if it is known: then without what it
    does not use."""
    modules = firmware.package_modules()
    for name, (key, value) in OPTIONS.items():
        if config is not None and config.get(key) != value:
            del modules[name]
    return dict(_module(name, path, source, firmware.PACKAGE) for name, path in modules.items())


def umqtt(source: bool) -> dict[str, bytes]:
    path = runtimes.umqtt() / "umqtt" / "simple.py"
    return dict([_module(UMQTT + ".py", path, source)])


def starters() -> dict[str, bytes]:
    return {name: (firmware.REPO / name).read_bytes() for name in firmware.STARTERS}


def certificates(folder: Path) -> dict[str, bytes]:
    """The files of keys/devices/<MAC>. Raises ToolError if there are none."""
    found = sorted(path for path in folder.glob("*") if path.suffix in (".der", ".tab"))
    if not found:
        raise ToolError(f"{folder} holds no .der files: make them with `python3 -m tools keys`")
    return {f"{CERTIFICATES}/{path.name}": path.read_bytes() for path in found}


def application(folder: Path, source: bool) -> dict[str, bytes]:
    """The user's own: modules to /lib, main.py, boot.py and all that is not a module to the root."""
    found = romfs.collect(folder)
    for name in found:
        is_record = name.startswith(RECORDS) and not name.endswith(".py")
        if name == CONFIG or name.startswith(f"{CERTIFICATES}/") or is_record:
            cure = "take it out; --config and --certs bring what is meant for the board"
            raise ToolError(f"{folder / name} would replace the board's own: {cure}")
    files = {}
    for name, path in found.items():
        if name.endswith(".py") and name not in firmware.STARTERS:
            place, content = _module("lib/" + name, path, source)
            files[place] = content
        else:
            if name in firmware.STARTERS:
                firmware.compile_module(path, name)  # the board would stay in its prompt
            files[name] = path.read_bytes()
    return files


def other_forms(paths: list[str]) -> list[str]:
    """The same modules in their other form: MicroPython takes x.py before x.mpy."""
    other = {".py": ".mpy", ".mpy": ".py"}
    modules = [Path(path) for path in paths if path not in firmware.STARTERS and Path(path).suffix in other]
    return [str(path.with_suffix(other[path.suffix])) for path in modules]


def _module(name: str, path: Path, source: bool, prefix: str = "") -> tuple[str, bytes]:
    if source:
        return name, path.read_bytes()
    shown = f"{prefix}/{name}" if prefix else name
    return name[: -len(".py")] + ".mpy", firmware.compile_module(path, shown, _STRIPPED)
