"""The folders .cache/ and .venv/: where they are, what was fetched once, put there whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from tools.errors import ToolError

REPO = Path(__file__).resolve().parents[2]
LOCK_WAIT_S = 900
ROOM_MB = 150  # of a package of Debian with what it needs, apt's lists and archives beside it
UNFIT = (os.pathsep, "\n", '"')  # no list of folders holds the first, no configuration of apt the others


def _place() -> Path:
    """The checkout or, where that is not to be written, a folder of its own in the user's cache."""
    used = (REPO, REPO / ".cache", REPO / ".venv")
    if all(os.access(path, os.W_OK) for path in used if path.exists()):
        return REPO
    users = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(users, f"ota-tools-{hashlib.sha256(os.fsencode(REPO)).hexdigest()[:12]}")


PLACE = _place()
CACHE = PLACE / ".cache"
VENV = PLACE / ".venv"


def check_names() -> None:
    """Raises ToolError where a folder's name will not do."""
    for path in (REPO, PLACE):
        for mark in UNFIT:
            if mark in str(path):
                raise ToolError(f"{str(path)!r} has {mark!r} in its name, which breaks lists of folders and"
                                " configuration files: move it")  # fmt: skip


def prepare() -> None:
    """Makes CACHE. Raises ToolError where that is impossible."""
    try:
        if not PLACE.is_absolute():
            raise ToolError(f"{REPO} cannot be written, and there is no home: set XDG_CACHE_HOME to a folder")
        CACHE.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        places = f"{CACHE} cannot" if PLACE == REPO else f"neither {REPO} nor {PLACE} can"
        cure = "set XDG_CACHE_HOME to a folder that can"
        raise ToolError(f"{places} be written ({error.strerror}): {cure}") from None


def redirect() -> None:
    """Has the programs that keep something beside the sources do so in PLACE where it is not the checkout."""
    if PLACE != REPO:
        os.environ["RUFF_CACHE_DIR"] = str(CACHE / "ruff")
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(CACHE / "hypothesis")
        options = ["-o", f"cache_dir={CACHE / 'pytest'}"]
        os.environ["PYTEST_ADDOPTS"] = f"{os.environ.get('PYTEST_ADDOPTS', '')} {shlex.join(options)}"


def require_room(megabytes: int, what: str, place: Path = PLACE) -> None:
    """Raises ToolError if there is less room than that."""
    free = shutil.disk_usage(place).free // 1_000_000
    if free < megabytes:
        have = f"{megabytes} MB in {place}, where {free} MB are free"
        raise ToolError(f"{what} needs {have}: make room, run again")


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Holds .cache/<name>.lock; the kernel frees it even when its owner is killed."""
    prepare()
    path = CACHE / f"{name}.lock"
    with path.open("w") as handle:
        acquire(handle, path)
        yield


def acquire(handle: IO[str] | int, path: Path, limit_s: float = LOCK_WAIT_S) -> None:
    """A lock on that file or folder. Raises ToolError when another process holds it for so long."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                message = f"another run has held {path} for {limit_s} s: end it, run again"
                raise ToolError(message) from None
        time.sleep(0.2)


def folder(name: str, fill: Callable[[Path], None], megabytes: int = ROOM_MB) -> Path:
    """.cache/<name>, made by fill(temporary folder) by the first process that wants it."""
    target = CACHE / name
    if not target.is_dir():
        with lock(name):
            if not target.is_dir():
                require_room(megabytes, name)
                _publish(target, fill)
    return target


def _publish(target: Path, fill: Callable[[Path], None]) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=CACHE))
    try:
        fill(draft)
        os.rename(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
