"""The folder .cache/: what was fetched once, put there whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator

from tools.errors import ToolError

REPO = Path(__file__).resolve().parent.parent
CACHE = REPO / ".cache"
LOCK_WAIT_S = 900


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Holds .cache/<name>.lock; the kernel frees it even when its owner is killed."""
    CACHE.mkdir(exist_ok=True)
    path = CACHE / f"{name}.lock"
    with path.open("w") as handle:
        _acquire(handle, path)
        yield


def _acquire(handle, path: Path) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                message = f"another run has held {path} for {LOCK_WAIT_S} s: end it, run again"
                raise ToolError(message) from None
        time.sleep(0.2)


def folder(name: str, fill: Callable[[Path], None]) -> Path:
    """.cache/<name>, made by fill(temporary folder) by the first process that wants it."""
    target = CACHE / name
    if not target.is_dir():
        with lock(name):
            if not target.is_dir():
                _publish(target, fill)
    return target


def _publish(target: Path, fill: Callable[[Path], None]) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=CACHE))
    try:
        fill(draft)
        os.rename(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
