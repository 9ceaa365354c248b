"""The certificates in KEYS/devices, read as they come: what is there before a device says a word."""

from __future__ import annotations

import os
from pathlib import Path

from tools import keyfiles
from tools.errors import ToolError

_END = ".crt.der"


class Enrolled:
    """`look()` in a thread of its own now and then: only files that changed are read."""

    def __init__(self, keys: Path) -> None:
        self._folder = keys / "devices"
        self._read: dict[str, tuple[int, int]] = {}  # name -> time and size of the file, when it was read
        self.unreadable: dict[str, str] = {}  # name -> why

    def look(self) -> dict[str, float]:
        """MAC -> when its certificate ends, of those that are new. A file that is half written is read when it
        is whole."""
        found: dict[str, float] = {}
        try:
            entries = [entry for entry in os.scandir(self._folder) if entry.name.endswith(_END)]
        except OSError:  # none yet
            return found
        for entry in entries:
            try:
                facts = entry.stat()
                mark = (facts.st_mtime_ns, facts.st_size)
                if self._read.get(entry.name) == mark and entry.name not in self.unreadable:
                    continue
                ends = keyfiles.read_certificate(Path(entry.path)).not_valid_after_utc.timestamp()
            except (OSError, ToolError, ValueError) as error:
                self.unreadable[entry.name] = str(error)
                continue
            self.unreadable.pop(entry.name, None)
            self._read[entry.name] = mark
            found[entry.name.removesuffix(_END)] = ends
        self.unreadable = {name: self.unreadable[name] for name in self.unreadable if self._is_there(name)}
        return found

    def _is_there(self, name: str) -> bool:
        return (self._folder / name).exists()
