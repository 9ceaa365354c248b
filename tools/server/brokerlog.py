"""mosquitto's log: bounded, and read as it grows."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MAX_BYTES = 10_000_000  # then it begins anew; the part before is kept as mosquitto.log.1
READ_BYTES = 1_000_000  # at once; of a log that grows faster the rest is not looked at


class BrokerLog:
    """mosquitto appends to it (O_APPEND), so that it can be emptied while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0  # of what this run of mosquitto wrote
        self._read = 0

    def begin(self) -> None:
        """A new run of mosquitto."""
        self._start = self._read = self._size()

    def text(self) -> str:
        """What was logged since begin()."""
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            file.seek(min(self._start, self._size()))
            return file.read().decode(errors="replace")
        return ""

    def new_lines(self) -> list[str]:
        """Whole lines since the last call; then the file is emptied if it has become too long."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read(READ_BYTES)
                data = data[: data.rfind(b"\n") + 1]
                self._read += len(data)
                if self._size() - self._read > READ_BYTES:
                    self._read = self._size()
        except OSError:
            return []
        if self._size() > MAX_BYTES:
            self._empty()
        return data.decode(errors="replace").split("\n")[:-1]  # no other line end: topics may have them

    def problem(self, which: int = -1) -> str:
        """An error of this run, the last or (0) the first one, or else a line of it."""
        lines = [line for line in self.text().split("\n") if line.strip()]
        problems = [line for line in lines if "Error" in line]
        return (problems or lines[-1:] or ["it logged nothing"])[which].strip()

    def _empty(self) -> None:
        with contextlib.suppress(OSError):
            with self.path.open("rb") as file:
                file.seek(max(0, self._size() - MAX_BYTES))
                kept = file.read(MAX_BYTES)
            with open(self.path.with_name(self.path.name + ".1"), "wb", opener=private) as file:
                file.write(kept)
        with contextlib.suppress(OSError), open(self.path, "wb", opener=private):
            self._start = self._read = 0

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


def private(path: str, flags: int) -> int:
    """An opener: for its owner only, because it names users, and no link, because the folder is another
    user's."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
