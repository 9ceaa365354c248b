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

NAME = "fleet.db"
FORMAT = 1
REPORTS_KEPT = 100
BUSY_LIMIT_S = 10

SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE devices (
    mac TEXT PRIMARY KEY, version TEXT, build_time TEXT, slot TEXT,
    seen REAL, gets INTEGER NOT NULL DEFAULT 0,
    code INTEGER, cause TEXT, failed_at REAL,
    certificate_ends REAL, reports INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE tags (tag TEXT, mac TEXT, PRIMARY KEY (tag, mac)) WITHOUT ROWID;
CREATE TABLE images (
    digest TEXT PRIMARY KEY, size INTEGER, version TEXT, board TEXT, kind TEXT, added REAL
) WITHOUT ROWID;
CREATE TABLE pushes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT, version TEXT, offer TEXT,
    max_failures INTEGER, silence_s REAL, state TEXT, note TEXT NOT NULL DEFAULT '', made REAL
);
CREATE TABLE targets (
    mac TEXT, push INTEGER, state TEXT, progress INTEGER NOT NULL DEFAULT 0, code INTEGER, cause TEXT,
    offers INTEGER NOT NULL DEFAULT 0, due REAL, starts_at INTEGER NOT NULL DEFAULT 0, changed REAL,
    bytes INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (mac, push)
) WITHOUT ROWID;
CREATE INDEX targets_of_push ON targets (push, state);
CREATE INDEX targets_by_state ON targets (state);
CREATE TABLE reports (
    mac TEXT, number INTEGER, time REAL, name TEXT, data TEXT, PRIMARY KEY (mac, number)
) WITHOUT ROWID;
CREATE TABLE servers (name TEXT PRIMARY KEY, seen REAL, answered INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
"""


class Store:
    """One connection. `db` for reading and single statements, `transaction()` for several at once."""

    def __init__(self, folder: Path, create: bool = False) -> None:
        """Raises ToolError if there is none and it is not to be made."""
        self.folder = folder
        path = folder / NAME
        if not create and not path.exists():
            raise ToolError(f"{folder} is no server's folder: start `python3 -m tools serve {folder}` first")
        if create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self.db = sqlite3.connect(path, timeout=BUSY_LIMIT_S, isolation_level=None)
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = NORMAL")
            self._prepare()
        except sqlite3.Error as error:
            raise ToolError(f"{path}: {error}") from None
        path.chmod(0o600)

    def _prepare(self) -> None:
        with self.transaction():
            (version,) = self.db.execute("PRAGMA user_version").fetchone()
            if version > FORMAT:
                raise ToolError(f"{self.folder / NAME} was made by a newer version of this: use that")
            if version == 0:
                for statement in SCHEMA.split(";"):
                    self.db.execute(statement)
                self.db.execute(f"PRAGMA user_version = {FORMAT}")

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
