"""What may fail for a while and heals by itself: logged once when it begins, and once when it is over."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator

from tools.errors import ToolError

DATABASE = "the database"
TROUBLE = (sqlite3.OperationalError, OSError, ToolError)


class Health:
    """log(mac, text): the log."""

    def __init__(self, log: Callable[[str, str], None]) -> None:
        self._log = log
        self._wrong: dict[str, str] = {}

    @contextlib.contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Goes on after an error of the machine (disk, database, files): the caller tries again later."""
        try:
            yield
        except TROUBLE as error:
            self.bad(what, str(error))
        else:
            self.good(what)

    def bad(self, what: str, why: str) -> None:
        if what not in self._wrong:
            self._log("", f"{what}: {why}; tried again until it works")
        self._wrong[what] = why

    def good(self, what: str) -> None:
        if self._wrong.pop(what, None):
            self._log("", f"{what}: works again")

    def keep(self, beginning: str, still: set[str]) -> None:
        """Of what begins so, everything else is good again."""
        for what in [what for what in self._wrong if what.startswith(beginning) and what not in still]:
            self.good(what)
