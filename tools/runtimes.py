"""Finds the real programs of the tests: MicroPython in 32 and 64 bit, mosquitto, umqtt.simple."""

from __future__ import annotations

import functools
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys

from tools import debian, umqtt_source
from tools.errors import ToolError

INSTALL = {
    32: "`sudo dpkg --add-architecture i386`, `sudo apt update`, `sudo apt install"
    " micropython:i386` on Debian 13 (macOS has none)",
    64: "`sudo apt install micropython` on Debian 13 or Ubuntu 25.04, `brew install micropython`"
    " on macOS",
}
PROBE_LIMIT_S = 10
OLDEST_MICROPYTHON = (1, 24)
PROBE = "import sys; print(sys.maxsize > 2**31, *sys.implementation[1][:3])"
WORD_BITS = {"mp32": 32, "mp64": 64}
VARIABLES = {"mp32": "MICROPYTHON32", "mp64": "MICROPYTHON"}
# By what platform.machine() says: a 64-bit kernel also runs the 32-bit programs beside it.
ARCHITECTURES = {
    ("x86_64", 32): "i386",
    ("x86_64", 64): "amd64",
    ("i686", 32): "i386",
    ("aarch64", 32): "armhf",
    ("aarch64", 64): "arm64",
    ("armv7l", 32): "armhf",
}


@functools.cache
def _interpreter(name: str) -> tuple[str, ...]:
    if name == "cpython":
        return (sys.executable,)
    if name not in WORD_BITS:
        raise ToolError(f"no interpreter {name!r}: choose mp32, mp64 or cpython")
    given = _from_environment(VARIABLES[name])
    if given:
        _require(name, given)
        return tuple(given)
    found = shutil.which("micropython")
    if found and _misfit(name, [found]) is None:
        return (found,)
    return tuple(_fetched_micropython(name))


def interpreter(name: str) -> list[str]:
    """The argv prefix of "mp32", "mp64" or "cpython"."""
    return list(_interpreter(name))


def version(name: str) -> str:
    """One word for a summary line, e.g. `mp32 1.25.0`."""
    if name == "cpython":
        return "cpython " + platform.python_version()
    return f"{name} {'.'.join(map(str, _probe(interpreter(name))[1]))}"


def _from_environment(variable: str) -> list[str]:
    return shlex.split(os.environ.get(variable, ""))


def _probe(argv: list[str]) -> tuple[int, tuple[int, ...]]:
    """The word size and version that a MicroPython tells of itself."""
    command = [*argv, "-c", PROBE]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=PROBE_LIMIT_S, check=True
    )
    wide, *numbers = result.stdout.split()
    return (64 if wide == "True" else 32), tuple(map(int, numbers))


def _misfit(name: str, argv: list[str]) -> str | None:
    """What is wrong with this MicroPython, or None."""
    try:
        bits, number = _probe(argv)
    except (OSError, ValueError, subprocess.SubprocessError):
        return "does not run"
    if number < OLDEST_MICROPYTHON:
        return f"is {'.'.join(map(str, number))}, older than 1.24"
    return None if bits == WORD_BITS[name] else f"is a {bits}-bit build"


def _require(name: str, argv: list[str]) -> None:
    wrong = _misfit(name, argv)
    if wrong:
        raise ToolError(
            f"{shlex.join(argv)} {wrong}: set {VARIABLES[name]} to a"
            f" {WORD_BITS[name]}-bit MicroPython 1.24 or newer"
        )


def _fetched_micropython(name: str) -> list[str]:
    bits = WORD_BITS[name]
    hint = f"no {bits}-bit MicroPython 1.24 or newer: {INSTALL[bits]}, or set {VARIABLES[name]}"
    argv = _fetched("micropython", bits, "usr/bin/micropython", hint)
    wrong = _misfit(name, argv)
    if wrong:
        raise ToolError(f"Debian's MicroPython {wrong} here; {hint}")
    return argv


def _fetched(package: str, bits: int, path: str, hint: str) -> list[str]:
    arch = ARCHITECTURES.get((platform.machine(), bits))
    if arch is None:
        raise ToolError(hint)
    try:
        return debian.program(package, arch, path)
    except ToolError as error:
        raise ToolError(f"{hint} ({error})") from None


@functools.cache
def _mosquitto() -> tuple[str, ...]:
    given = _from_environment("MOSQUITTO")
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if given or found:
        return tuple(given or [found])
    hint = (
        "no mosquitto: on Debian and Ubuntu `sudo apt install mosquitto`, on macOS `brew install"
        " mosquitto`, or set MOSQUITTO"
    )
    return tuple(_fetched("mosquitto", 64, "usr/sbin/mosquitto", hint))


def mosquitto() -> list[str]:
    """The argv prefix of a mosquitto broker."""
    return list(_mosquitto())


def umqtt() -> pathlib.Path:
    """The folder that holds umqtt/simple.py: $UMQTT_SIMPLE or version 1.3.4, fetched."""
    given = os.environ.get("UMQTT_SIMPLE")
    folder = pathlib.Path(given) if given else umqtt_source.folder()
    if not (folder / "umqtt" / "simple.py").is_file():
        raise ToolError(f"{folder} holds no umqtt/simple.py: set UMQTT_SIMPLE to one that does")
    return folder
