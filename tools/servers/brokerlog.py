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
        return data.decode(errors="replace").splitlines()

    def last_problem(self) -> str:
        """The last error of this run, or else its last line."""
        lines = [line for line in self.text().splitlines() if line.strip()]
        problems = [line for line in lines if "Error" in line]
        return (problems or lines or ["it logged nothing"])[-1].strip()

    def _empty(self) -> None:
        with contextlib.suppress(OSError):
            kept = self.path.read_bytes()[-MAX_BYTES:]
            self.path.with_name(self.path.name + ".1").write_bytes(kept)
        with contextlib.suppress(OSError):
            os.truncate(self.path, 0)
            self._start = self._read = 0

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0
