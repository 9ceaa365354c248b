"""A change to a folder of keys: all of its files take their places, or none of them.

What is to be written is collected in memory, then laid down whole in DRAFT. Renaming that to READY is the one
moment at which the change is made: after a crash the next command moves the rest to its place, or drops it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tools.programs import cache

DRAFT, READY = ".change-draft", ".change-ready"
LOCK_WAIT_S = 60  # for another change of the folder
LIST = "list.json"  # [[place of file number 0, whether it is to be deleted], …]


class Change:
    """What the folder will be. Names are relative to the folder, with "/"."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._contents: dict[str, bytes | None] = {}  # None: to be deleted

    def has(self, name: str) -> bool:
        if name in self._contents:
            return self._contents[name] is not None
        return (self.folder / name).exists()

    def is_new(self, name: str) -> bool:
        return self._contents.get(name) is not None

    def read(self, name: str) -> bytes:
        """Raises OSError that names the file."""
        content = self._contents.get(name)
        return (self.folder / name).read_bytes() if content is None else content

    def write(self, name: str, content: bytes) -> None:
        self._contents[name] = content

    def remove(self, name: str) -> None:
        if self.has(name):
            self._contents[name] = None

    def move(self, name: str, to: str) -> None:
        """If it is there."""
        if self.has(name):
            self.write(to, self.read(name))
            self.remove(name)

    def names(self, pattern: str) -> list[str]:
        """Of the files that match, in order. pattern: as of Path.glob(), without "**"."""
        depth = len(PurePosixPath(pattern).parts)
        found = {path.relative_to(self.folder).as_posix() for path in self.folder.glob(pattern)}
        for name in self._contents:
            path = PurePosixPath(name)
            if len(path.parts) == depth and path.match(pattern):
                found.add(name)
        return sorted(name for name in found if self.has(name))

    def commit(self) -> None:
        """Raises OSError that names the file; then nothing has changed, or the next commit finishes it."""
        if not self._contents:
            return
        draft = self.folder / DRAFT
        try:
            self._lay_down(draft)
            draft.rename(self.folder / READY)
        except OSError:
            with contextlib.suppress(OSError):
                shutil.rmtree(draft)
            raise
        self._contents = {}
        finish(self.folder)

    def _lay_down(self, draft: Path) -> None:
        draft.mkdir(mode=0o700)
        for number, (name, content) in enumerate(self._contents.items()):
            if content is not None:
                _write(draft / str(number), content, self.folder / name)
        places = [[name, content is None] for name, content in self._contents.items()]
        _write(draft / LIST, json.dumps(places).encode(), self.folder / LIST)


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[Change]:
    """`with changing(folder) as change:` commits at the end, unless an error comes. One at a time."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        cache.acquire(handle, folder, LOCK_WAIT_S)
        finish(folder)
        change = Change(folder)
        yield change
        change.commit()
    finally:
        os.close(handle)


def finish(folder: Path) -> None:
    """What a change that was cut off had made ready takes its place, a draft is dropped. Raises OSError."""
    if (folder / DRAFT).exists():
        shutil.rmtree(folder / DRAFT)
    ready = folder / READY
    if not ready.exists():
        return
    if (ready / LIST).exists():
        for number, (name, is_deleted) in enumerate(json.loads((ready / LIST).read_bytes())):
            _settle(ready / str(number), folder, name, is_deleted)
        (ready / LIST).unlink()
    ready.rmdir()


def is_unfinished(folder: Path) -> bool:
    return (folder / READY).exists()


def _settle(source: Path, folder: Path, name: str, is_deleted: bool) -> None:
    """Again and again with the same end: what was moved before is not at its source any more."""
    target = folder / name
    if is_deleted:
        target.unlink(missing_ok=True)
    elif source.exists():
        for parent in reversed(PurePosixPath(name).parents):
            (folder / parent).mkdir(mode=0o700, exist_ok=True)
        source.replace(target)


def _write(path: Path, content: bytes, named: Path) -> None:
    """For its owner only, and on the disk before the change counts. Errors name the file that it will be."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename = str(named)
        raise
