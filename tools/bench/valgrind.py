"""Finds a valgrind that can run 32-bit MicroPython: the machine's own, else Debian's, without root."""

from __future__ import annotations

import functools
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.cli.console import last_words
from tools.errors import ToolError
from tools.programs import debian, runtimes

LIMIT_S = 300
PROBE_LIMIT_S = 60
OPTIONS = ("--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
NATIVE = {"x86_64": "amd64", "i686": "i386", "aarch64": "arm64", "armv7l": "armhf"}


@functools.cache
def find() -> tuple[str, ...]:
    """The argv prefix, (): none that runs 32-bit MicroPython. $VALGRIND names one."""
    given = os.environ.get("VALGRIND")
    if given:
        return tuple(shlex.split(given))
    own = shutil.which("valgrind")
    for argv in filter(None, ((own,) if own else None, _fetched())):
        if _runs(argv):
            return argv
    return ()


def _fetched() -> tuple[str, ...] | None:
    """Debian's own; its tools are linked statically, so it needs no loader of its own."""
    try:
        root = debian.unpacked("valgrind", NATIVE[platform.machine()])
    except (ToolError, KeyError) as error:
        print(f"no valgrind: {error}", file=sys.stderr)
        return None
    tools = root / "usr" / "libexec" / "valgrind"
    return ("env", f"VALGRIND_LIB={tools}", str(root / "usr" / "bin" / "valgrind"))


def _runs(argv: tuple[str, ...]) -> bool:
    try:
        return count(argv, [*runtimes.interpreter("mp32"), "-c", "pass"], PROBE_LIMIT_S) > 0
    except (OSError, ToolError, subprocess.SubprocessError):
        return False


def wrap(argv: tuple[str, ...], command: list[str], log: Path) -> list[str]:
    """The command under valgrind; log: where read_count() finds the number."""
    return [*argv, *OPTIONS, f"--log-file={log}", *command]


def read_count(log: Path) -> int:
    """Instructions, from what cachegrind has written at the end. Raises ToolError."""
    found = re.search(r"I +refs: +([\d,]+)", log.read_text(errors="replace"))
    if not found:
        raise ToolError(f"valgrind counted nothing: {last_words(log.read_text(errors='replace'))}")
    return int(found[1].replace(",", ""))


def count(
    argv: tuple[str, ...], command: list[str], limit_s: float = LIMIT_S,
    cwd: Path | None = None, env: dict[str, str] | None = None,
) -> int:  # fmt: skip
    """Instructions that a command takes. Raises ToolError if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "valgrind.log"
        done = subprocess.run(
            wrap(argv, command, log), cwd=cwd, env={**os.environ, **(env or {})},
            capture_output=True, text=True, timeout=limit_s,
        )  # fmt: skip
        if done.returncode:
            raise ToolError(f"{command[-1]} failed under valgrind: {last_words(done.stdout + done.stderr)}")
        return read_count(log)
