"""Devices that the broker hears no more for a while, because they flooded it: FOLDER/denied/MAC.

Whichever server notices a flood makes the file; the one that has started the broker tells it.
"""

from __future__ import annotations

import time
from pathlib import Path

DENIED_S = 600


class Denied:
    def __init__(self, folder: Path) -> None:
        self._folder = folder / "denied"

    def add(self, mac: str) -> None:
        """Raises OSError, e.g. on a full disk."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        (self._folder / mac).touch(0o600)

    def macs(self) -> frozenset[str]:
        """Who is denied now; what is over, also by a clock that jumped, goes."""
        found = set()
        try:
            for path in self._folder.iterdir():
                if 0 <= time.time() - path.stat().st_mtime < DENIED_S:
                    found.add(path.name)
                else:
                    path.unlink(missing_ok=True)
        except FileNotFoundError:  # the folder: nobody ever was, or a file that has just gone
            pass
        return frozenset(found)
