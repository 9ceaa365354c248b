"""What a board says of itself, and what that makes of its part in a push: no state, no input, no output.

A board is believed to have confirmed an image only by its word behind the confirmation, or by a later INIT or
`get` that names the version and no trial. UPDATE comes before it, and boards of before say no more than that
until they connect again.
"""

from __future__ import annotations

import sqlite3

from tools.image import versions
from tools.server.states import (
    CANCELLED,
    CONFIRMED,
    DOWNLOADING,
    FAILED,
    NOT_OFFERED,
    QUEUED,
    RECALLED,
    RETRYING,
    ROLLED_BACK,
    TRIAL,
    WAITING,
)  # fmt: skip
from tools.server.wire import Word

_OVER = (FAILED, ROLLED_BACK, CANCELLED, *RECALLED)
_SHOWN = {"waiting": WAITING, "updating": DOWNLOADING, "trial": TRIAL}


_LATE_MS = 3_600_000  # by more than that not the message is late, but the board's clock was wrong


def is_late(word: Word, said: int | None) -> bool:
    """Questions and reports come by two ways: after a server was away, reports from before may come after a
    question. said: when the board said last what it runs."""
    return bool(said and word.time) and said - _LATE_MS <= word.time < said


def of(target: sqlite3.Row, word: Word) -> str | None:
    """The state that follows, None if this word changes nothing. RETRYING: nobody is at it, offer it again.

    target: a row of Targets.latest(), whose `running` is the version that the board named before.
    """
    state = target["state"]
    if not word.version or state == NOT_OFFERED:
        return None
    if word.version == target["version"]:
        return _of_the_new_one(target, word)
    if state == CONFIRMED:
        return _of_another_one(target, word)
    if not target["offers"] or state in _OVER or word.kind == "UPDATE":  # that is the trial of another one
        return None
    if target["running"] == target["version"] and word.state != "trial":
        return ROLLED_BACK  # it ran, and does so no more
    shown = _SHOWN.get(word.state)
    if shown is None and (word.kind == "INIT" or word.state == "idle"):
        shown = RETRYING
    return None if shown == state else shown


def _of_the_new_one(target: sqlite3.Row, word: Word) -> str | None:
    state = target["state"]
    if not word.is_good:
        keeps = state in (CONFIRMED, QUEUED, TRIAL, *RECALLED) or not target["offers"]
        return None if keeps or not word.is_on_trial else TRIAL
    if state == CONFIRMED or state == CANCELLED and not target["offers"]:
        return None
    return CONFIRMED


def _of_another_one(target: sqlite3.Row, word: Word) -> str | None:
    """After it had confirmed: a later version is another push's matter, or its owner's."""
    if versions.is_version(word.version) and _number(word.version) > _number(target["version"]):
        return None
    return ROLLED_BACK if target["offers"] else RETRYING


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
