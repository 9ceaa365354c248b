"""Gives a command its packages: makes .venv from requirements-dev.txt and goes on inside it."""

# Standard library only: it runs before anything is installed.
from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata

from tools.cli.console import last_words
from tools.errors import ToolError
from tools.programs import cache

REQUIREMENTS = cache.REPO / "requirements-dev.txt"
VENV = cache.VENV
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "requirements.sha256"
UNFINISHED = "unfinished"
GUARD = "OTA_TOOLS_BOOTSTRAPPED"
PIP_LIMIT_S = 900
END_LIMIT_S = 30  # after the last that it says
VENV_LIMIT_S = 120
LOOK_S = 0.5
VENV_MB = 400  # measured, and something for what pip has beside it while it installs
# As pip names them: "Collecting rich~=15.0 (from …)", "Processing …/rich-15.0.0-py3-none-any.whl".
PACKAGE = re.compile(r"^(?:Collecting|Processing) (?:\S*/)?([\w.-]+?)(?=[ ~<>=!;\[\n]|-\d)", re.MULTILINE)


def ensure(argv: list[str]) -> None:
    """Returns where the packages are there; else makes them so and restarts the command."""
    restarted = os.environ.pop(GUARD, None)
    if satisfied():
        return
    if restarted:
        raise ToolError(f"{VENV} lacks packages though pip succeeded: delete it, run again")
    with cache.lock("venv"):
        if not stamp_is_current():
            build()
    os.environ[GUARD] = "1"
    os.execv(PYTHON, [str(PYTHON), "-m", "tools", *argv])


def satisfied() -> bool:
    if os.path.realpath(sys.prefix) == os.path.realpath(VENV):
        return stamp_is_current()
    return all(is_installed(name, version) for name, version in requirements())


def requirements() -> list[tuple[str, str]]:
    """The name and the x.y of each `name~=x.y` or `name==x.y`, the only forms that the file uses."""
    return re.findall(r"^([\w.-]+)[~=]=([\d.]*\d)", REQUIREMENTS.read_text(), re.MULTILINE)


def is_installed(name: str, wanted: str) -> bool:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    have, minimum = numbers(version), numbers(wanted)
    return have >= minimum and have[: len(minimum) - 1] == minimum[:-1]


def numbers(version: str) -> list[int]:
    """The leading x.y.z of a version: 1.25.0.post2 -> [1, 25, 0]."""
    return [int(part) for part in re.match(r"[\d.]*\d", version).group().split(".")]


def digest() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def stamp_is_current() -> bool:
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == digest()


def build() -> None:
    """The stamp is written last, so an interrupted run is seen and made anew."""
    if not PYTHON.exists() or (STAMP.exists() and STAMP.read_text() == UNFINISHED):
        make_venv()
    STAMP.write_text(UNFINISHED)
    install()
    STAMP.write_text(digest())


def make_venv() -> None:
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise ToolError(f"Python's venv module is missing: sudo apt install {package}")
    shutil.rmtree(VENV, ignore_errors=True)
    cache.require_room(VENV_MB, "the environment for Python")
    VENV.mkdir()
    STAMP.write_text(UNFINISHED)
    base = getattr(sys, "_base_executable", None) or sys.executable
    command = [base, "-m", "venv", str(VENV)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=VENV_LIMIT_S)
    if result.returncode:
        raise ToolError(f"cannot make {VENV}: {last_words(result.stdout + result.stderr)}")


def install() -> None:
    """Runs pip with a line of progress; on failure prints its own first error. pip's own progress is a
    hundred lines, and a bar for each package but none for what takes longest, to unpack them all."""
    command = [str(PYTHON), "-m", "pip", "install", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said = follow(pip)
    finally:
        pip.kill()
        code = pip.wait()
    if code:
        why = explain(said.splitlines())
        raise ToolError(f"pip could not install requirements-dev.txt: {why}, run again")


def explain(lines: list[str]) -> str:
    """The end of what pip said in a few words."""
    if any(str(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) in line for line in lines):
        return f"no room is left in {VENV} or {tempfile.gettempdir()}: make room"
    if any("(from versions: none)" in line or "connection broken" in line for line in lines):
        return "it reached no package index: check the network, or pip's configuration"
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines[-1:] or ["it said nothing"])[0].strip().removeprefix("ERROR: ")


def follow(pip: subprocess.Popen) -> str:
    """All that pip says, until it ends."""
    progress = Progress()
    said = b""
    while True:
        if select.select([pip.stdout], [], [], LOOK_S)[0]:
            part = os.read(pip.stdout.fileno(), 1 << 16)
            if not part:
                break
            said += part
        progress.show(said.decode(errors="replace"))
        if progress.elapsed_s() > PIP_LIMIT_S:
            raise ToolError(f"pip took over {PIP_LIMIT_S} s: check the network, run again")
    try:
        pip.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise ToolError("pip says no more, but does not end: run again") from None
    progress.finish()
    return said.decode(errors="replace")


class Progress:
    """One live line on a terminal; in a log, a line every few seconds."""

    LOG_EVERY_S = 5

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.live = sys.stderr.isatty()
        self.logged_s = -self.LOG_EVERY_S
        place = ".venv" if cache.PLACE == cache.REPO else VENV
        print(f"installing requirements-dev.txt into {place} (once)", file=sys.stderr)

    def elapsed_s(self) -> float:
        return time.monotonic() - self.start

    def show(self, said: str) -> None:
        names = PACKAGE.findall(said)
        doing = f"collecting {names[-1]}" if names else "starting pip"
        if "\nInstalling collected" in said:
            doing = "installing them all"
        text = f"  {self.elapsed_s():3.0f} s  {len(names):2} packages  {doing}"
        if self.live:
            self.write(text, end="")
        elif self.elapsed_s() - self.logged_s >= self.LOG_EVERY_S:
            self.logged_s = self.elapsed_s()
            print(text, file=sys.stderr, flush=True)

    def finish(self) -> None:
        text = f"  done in {self.elapsed_s():.0f} s"
        if self.live:
            self.write(text, end="\n")
        else:
            print(text, file=sys.stderr)

    @staticmethod
    def write(text: str, end: str) -> None:
        """Over the line that is there."""
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{text[:width]:<{width}}", end=end, file=sys.stderr, flush=True)
