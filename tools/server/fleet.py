"""What devices say and ask: reports move their part in a push on, a `get` gets its offer.

Any number of servers may answer; only the leader (see service.py) takes reports.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from tools.server import clock, verdict, wire
from tools.server.progress import Progress
from tools.server.recall import Recall
from tools.server.states import (
    CONFIRMED,
    DONE,
    QUEUED,
    RETRYING,
    ROLLED_BACK,
    RUNNING,
    SILENT,
    TRIAL,
    UNDER_WAY,
)  # fmt: skip
from tools.server.store import REPORTS_KEPT, Store
from tools.server.targets import Targets

_ASKED = """
    INSERT INTO devices (mac, seen, gets, version, slot, state, knows) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (mac) DO UPDATE SET seen = max(ifnull(seen, 0), excluded.seen), gets = gets + excluded.gets,
        version = ifnull(excluded.version, version), slot = ifnull(excluded.slot, slot),
        state = ifnull(excluded.state, state), knows = ifnull(excluded.knows, knows)"""


class Fleet:
    """word_offer(row of Targets.latest) -> the JSON text of an offer; log(mac, text): for the log."""

    def __init__(
        self, store: Store, word_offer: Callable[[sqlite3.Row], str], log: Callable[[str, str], None]
    ) -> None:
        self._store = store
        self._targets = Targets(store, log)
        self._recall = Recall(store, log)
        self._progress = Progress(store, log)
        self._word_offer = word_offer
        self._log = log
        # Since the last flush: when last, how often, and what was said last.
        self._asked: dict[str, tuple[float, int, wire.Word]] = {}
        self._answered = 0

    # Questions

    def answer(self, mac: str, now: float, word: wire.Word = wire.NOTHING) -> str | None:
        """The offer for a `get`, the same to the same question; None where nothing is to be offered.
        word: what the board says beside it, which heals what was lost."""
        target = self._targets.latest(mac)
        if target is not None and verdict.is_late(word, target["said"]):
            word = wire.NOTHING
        self._asked[mac] = (now, self._asked.get(mac, (0, 0))[1] + 1, word)
        if target is not None and self._is_news(target, word, now):
            with self._store.transaction():
                self._take_question(mac, word, now)
                target = self._targets.latest(mac)
        if target is None or not _is_answered(target):
            return None
        self._answered += 1
        return self._word_offer(target)

    def _is_news(self, target: sqlite3.Row, word: wire.Word, now: float) -> bool:
        is_heard = verdict.of(target, word) is not None or self._recall.is_news(target, word)
        return is_heard or _is_due(target, now)

    def _take_question(self, mac: str, word: wire.Word, now: float) -> None:
        """The row may have changed before this transaction began."""
        target = self._targets.latest(mac)
        if word.version:
            self._note_what_runs(mac, word)
        if self._recall.is_news(target, word):
            return self._recall.hear(mac, word, now)
        state = verdict.of(target, word)
        if state == RETRYING:
            if not self._targets.is_on_its_way(target, now):
                self._targets.again(target, now)
        elif state is not None:
            self._follow(target, state, word, now)
        elif _is_due(target, now):
            self._targets.begin_try(target, now)

    def flush(self, server: str, now: float) -> None:
        """Write down who asked, and what time it is, once a second rather than at each `get`."""
        rows = [(mac, seen, count, *_facts(word)) for mac, (seen, count, word) in self._asked.items()]
        with self._store.transaction() as db:
            db.executemany(_ASKED, rows)
            db.execute(
                "INSERT INTO servers VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                " seen = excluded.seen, answered = answered + excluded.answered",
                (server, now, self._answered),
            )
            clock.note(self._store, now)
        self._asked.clear()
        self._answered = 0

    # Reports

    def take(self, mac: str, name: str, payload: bytes, now: float) -> None:
        """Anything a device may have sent as a report."""
        report = wire.report(name, payload)
        with self._store.transaction() as db:
            self._keep(db, mac, name, payload, now)
            target = self._targets.latest(mac)
            if report is None:
                self._log(mac, "no report: " + wire.clean(payload[:64].decode(errors="replace")))
            elif report.kind == "started":
                self._started(db, mac, report, target, now)
            elif report.kind == "confirmed":
                self._confirmed(mac, report.word, target, now)
            elif report.kind == "error":
                self._progress.failed(mac, report, target, now)
            elif report.kind == "cancelled":
                self._log(mac, "dropped the offer")
                self._recall.dropped(mac, now)
            elif target is not None:
                self._progress.came(report, target, now)

    @staticmethod
    def _keep(db: sqlite3.Connection, mac: str, name: str, payload: bytes, now: float) -> None:
        text = payload[: wire.LONGEST].decode(errors="replace")
        (number,) = db.execute(
            "INSERT INTO devices (mac, seen, reports) VALUES (?, ?, 1) ON CONFLICT (mac)"
            " DO UPDATE SET seen = excluded.seen, reports = reports + 1 RETURNING reports",
            (mac, now),
        ).fetchone()
        row = (mac, number % REPORTS_KEPT, now, name, text)
        db.execute("INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?, ?)", row)

    def _started(
        self, db: sqlite3.Connection, mac: str, report: wire.Report, target: sqlite3.Row | None, now: float
    ) -> None:
        word = report.word
        if target is not None and verdict.is_late(word, target["said"]):
            return self._log(mac, f"has run {word.version} before")
        db.execute("UPDATE devices SET build_time = ? WHERE mac = ?", (report.build_time, mac))
        self._note_what_runs(mac, word)
        self._log(mac, f"runs {word.version}{' on trial' if word.is_on_trial else ''}")
        self._recall.hear(mac, word, now)
        if target is None or self._recall.concerns(target):
            return
        state = verdict.of(target, word)
        if state == RETRYING:
            self._targets.after_boot(target, now)
        elif state is not None:
            self._follow(target, state, word, now)

    def _note_what_runs(self, mac: str, word: wire.Word) -> None:
        shown = "trial" if word.is_on_trial else word.state
        self._store.db.execute(
            "UPDATE devices SET version = ?, slot = ?, state = ?, knows = ?, said = ifnull(?, said)"
            " WHERE mac = ?",
            (word.version, word.slot, shown, word.knows, word.time or None, mac),
        )

    def _follow(self, target: sqlite3.Row, state: str, word: wire.Word, now: float) -> None:
        """state: of verdict.of()."""
        if state == CONFIRMED:
            self._targets.settle(target, CONFIRMED, now)
        elif state == ROLLED_BACK:
            self._targets.settle(target, ROLLED_BACK, now, cause=f"{word.version} runs again")
        else:
            progress = 100 if state == TRIAL else target["progress"]
            self._targets.set(target, state, now, progress=progress)
            self._log(target["mac"], f"{target['version']} {state}")

    def _confirmed(self, mac: str, word: wire.Word, target: sqlite3.Row | None, now: float) -> None:
        self._store.db.execute(
            "UPDATE devices SET version = ?, state = ?, said = max(ifnull(said, 0), ?) WHERE mac = ?",
            (word.version, word.state, word.time, mac),
        )
        self._recall.confirmed(mac, word.version, now)
        if target is None or target["version"] != word.version or self._recall.concerns(target):
            return
        if verdict.of(target, word) == CONFIRMED:
            self._targets.settle(target, CONFIRMED, now)


def _facts(word: wire.Word) -> tuple[str | None, ...]:
    """Columns of a device, None = as it was."""
    return (word.version, word.slot, word.state, word.knows) if word.version else (None,) * 4


def _is_due(target: sqlite3.Row, now: float) -> bool:
    """Whether a question is answered by a new try."""
    if target["state"] == SILENT and target["running"] == target["version"]:
        return False  # only how the trial has ended is not known
    waits = target["state"] in (QUEUED, RETRYING, SILENT) and target["due"] <= now
    return waits and target["push_state"] in (RUNNING, DONE)


def _is_answered(target: sqlite3.Row) -> bool:
    if target["state"] == CONFIRMED:
        return target["running"] == target["version"]  # to the board: nothing newer
    return target["state"] in UNDER_WAY and target["push_state"] in (RUNNING, DONE)
