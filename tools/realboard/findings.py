"""What a check has found."""

from __future__ import annotations

from typing import NamedTuple

OK, WARN, BAD, SKIP = "ok", "warn", "bad", "skip"


class Finding(NamedTuple):
    """text: what was seen, in a few words; cure: what to do about it."""

    level: str
    text: str
    cure: str = ""


def ok(text: str) -> Finding:
    return Finding(OK, text)


def warn(text: str, cure: str) -> Finding:
    return Finding(WARN, text, cure)


def bad(text: str, cure: str) -> Finding:
    return Finding(BAD, text, cure)


def skip(text: str) -> Finding:
    return Finding(SKIP, text)
