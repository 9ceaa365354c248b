"""Bytes of .mpy: of each module of device/, of all of them, and of what one signature check needs."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from tools.image import firmware
from tools.programs import cache
from tools.realboard import payload

LEVEL = 3  # of mpy-cross: no asserts, no line numbers
DEVICE = cache.REPO / "device"


@functools.cache
def device_code() -> dict[str, bytes]:
    """The .mpy of each module of device/ as `deploy` brings it, by its name."""
    names = sorted(Path(name).stem for name in firmware.package_modules())
    return {
        name: firmware.compile_module(DEVICE / f"{name}.py", f"device/{name}.py", LEVEL) for name in names
    }


def modules() -> dict[str, int]:
    """Bytes of each module of device/."""
    return {name: len(code) for name, code in device_code().items()}


def measure() -> dict[str, int]:
    """The lines ecdsa_mpy and device_mpy."""
    bytes_of = modules()
    return {
        "ecdsa_mpy": sum(bytes_of[name] for name in closure("ecdsa")),
        "device_mpy": sum(len(code) for code in payload.package(False, {"image": "esp32"}).values()),
    }


def closure(name: str) -> set[str]:
    """A module of device/ and all modules of device/ that it needs."""
    found: set[str] = set()
    waiting = {name}
    while waiting:
        found |= waiting
        waiting = set().union(*(_imports(DEVICE / f"{each}.py") for each in waiting)) - found
    return found


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            names |= {node.module} if node.module else {alias.name for alias in node.names}
    return names
