"""Types of the options of commands: numbers and times within their limits, refused before anything is done."""

from __future__ import annotations

import argparse
import datetime
import re
from collections.abc import Callable, Iterable

from tools.errors import ToolError

SECONDS_LIMIT = 100_000_000_000  # as in device/offer.py: from here on a Unix time is in ms
DAYS_LIMIT = 36_500
COUNT_LIMIT = 1_000_000
_BUILD_TIME = "%b %d %Y %H:%M:%S"


def refuse(args: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """Raises ToolError if one of these options was given: what would be ignored is not accepted silently."""
    found = [name for name in names if name in getattr(args, "given", ())]
    if found:
        raise ToolError(f"{', '.join(found)}: {why}")


def whole(low: int, high: int = COUNT_LIMIT, what: str = "a whole number") -> Callable[[str], int]:
    """A type for argparse: integers from low to high."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,20}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what} from {low} to {high}")
        return int(text)

    return parse


port = whole(1, 65535, "a port")
port_or_any = whole(0, 65535, "a port (0: any that is free)")
days = whole(1, DAYS_LIMIT, "a number of days")


def unix_time(text: str) -> int:
    """Unix time, s or ms."""
    if not text.isascii() or not text.isdigit() or int(text[:20]) >= SECONDS_LIMIT * 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a Unix time, in s or ms")
    return int(text)


def moment(text: str) -> int:
    """Unix s of a Unix time, s or ms, or of a local time as 2026-11-30T02:00."""
    if text.isascii() and text.isdigit():
        number = unix_time(text)
        return number // 1000 if number >= SECONDS_LIMIT else number
    try:
        seconds = int(datetime.datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        seconds = -1
    if not 0 <= seconds < SECONDS_LIMIT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: give Unix seconds or YYYY-MM-DDTHH:MM")
    return seconds


def build_time(text: str) -> str:
    """As images carry it, e.g. "May 24 2024 10:33:41"."""
    try:
        datetime.datetime.strptime(text, _BUILD_TIME)
    except ValueError:
        fault = f'{text!r} is not a build time: write it as "May 24 2024 10:33:41"'
        raise argparse.ArgumentTypeError(fault) from None
    return text
