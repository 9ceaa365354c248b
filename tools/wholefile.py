"""Writes a file whole or not at all: on a full disk what was there before stays."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Raises OSError that names the file."""
    if path.exists() and not path.is_file():  # e.g. /dev/stdout, which has no content to keep
        path.write_bytes(content)
        return
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)  # of a run that was cut off, with whatever mode
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        error.filename = str(path)
        raise
