"""Versions of firmware on the host: MAJOR.MINOR.PATCH, each 0..99."""

from __future__ import annotations

import re

from tools.errors import ToolError

_NUMBER = "(?:0|[1-9][0-9]?)"
_PATTERN = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}")


def is_version(text: str) -> bool:
    return bool(_PATTERN.fullmatch(text))


def check(text: str) -> str:
    """The text itself. Raises ToolError if it is not a version."""
    if not is_version(text):
        raise ToolError(f"{text!r} is not a version: give MAJOR.MINOR.PATCH, each 0 to 99")
    return text
