"""The server's memory: one SQLite file in its folder, which `serve`, `push` and `devices` open at once.

FOLDER/fleet.db         devices, pushes, reports: the one place of truth
FOLDER/images/          firmware, each file named by its digest, see imagestore.py
FOLDER/token            what the page asks for, see web.py
FOLDER/broker/          configuration, log and sessions of our own mosquitto

All times are Unix seconds. A device has one row, a device in a push one more, and of its reports the
last REPORTS_KEPT are kept: nothing grows with what devices say.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tools.errors import ToolError
from tools.server.schema import FORMATS

NAME = "fleet.db"
REPORTS_KEPT = 100
BUSY_LIMIT_S = 10


def explain(error: sqlite3.Error) -> str:
    """With the cure."""
    if type(error) is sqlite3.DatabaseError:  # its kinds stand for what is not the file's fault
        return f"{error}: put a copy of yours in its place"
    return f"{error}: is its disk full, or in use?"


class Store:
    """One connection. `db` for reading and single statements, `transaction()` for several at once."""

    def __init__(self, folder: Path, create: bool = False) -> None:
        """Raises ToolError if there is none and it is not to be made."""
        self.folder = folder
        path = folder / NAME
        if not create and not path.exists():
            raise ToolError(f"{folder} is not a server folder: start `python3 -m tools serve {folder}` first")
        if create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self.db = sqlite3.connect(path, timeout=BUSY_LIMIT_S, isolation_level=None)
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = NORMAL")
            self._prepare()
        except sqlite3.Error as error:
            raise ToolError(f"{path}: {explain(error)}") from None
        path.chmod(0o600)

    def _prepare(self) -> None:
        with self.transaction():
            (version,) = self.db.execute("PRAGMA user_version").fetchone()
            if version > len(FORMATS):
                raise ToolError(f"{self.folder / NAME} was made by a newer version of this: use that")
            for statements in FORMATS[version:]:
                for statement in statements:
                    self.db.execute(statement)
            if version < len(FORMATS):
                self.db.execute(f"PRAGMA user_version = {len(FORMATS)}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside or nothing of it; other processes wait. Inside another one it is part of that."""
        if self.db.in_transaction:
            yield self.db
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:  # on a full disk SQLite has rolled back already
                self.db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self.db.close()

    def fact(self, name: str):
        row = self.db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_fact(self, name: str, value: object) -> None:
        self.db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
