"""Reads a file, and writes one whole or not at all: on a full disk what was there before stays."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import BinaryIO

LARGEST = 1024 * 1024  # bytes of keys, configurations, offers


def read(path: Path, limit: int = LARGEST) -> bytes:
    """Raises OSError, also for what has more bytes than that: a device, or the wrong file."""
    with path.open("rb") as file:
        return read_stream(file, str(path), limit)


def read_stream(file: BinaryIO, name: str, limit: int = LARGEST) -> bytes:
    """The same of what is open already."""
    content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), name)
    return content


def require_place(path: Path) -> None:
    """Raises OSError if no file can be written there: before what takes long, and ends in one."""
    number = 0
    if path.is_dir():
        number = errno.EISDIR
    elif not path.parent.is_dir():
        number = errno.ENOTDIR if path.parent.exists() else errno.ENOENT
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        number = errno.EACCES
    if number:
        raise OSError(number, os.strerror(number), str(path))


def write(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Raises OSError that names the file."""
    if path.exists() and not path.is_file():  # e.g. /dev/stdout, which has no content to keep
        try:
            path.write_bytes(content)
        except OSError as error:
            error.filename = str(path)
            raise
        return
    try:
        target = path.resolve()
    except RuntimeError:  # links in a circle, before Python 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)  # of a run that was cut off, with whatever mode
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        draft.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        error.filename = str(path)
        raise
