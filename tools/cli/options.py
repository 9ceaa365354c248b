"""Types of what commands are given: texts, paths, numbers, times; what is absurd is refused before anything
is done. A parser of tools/__main__.py takes text() and path() where an option has no type, or Path.
Help: how it shows them."""

from __future__ import annotations

import argparse
import datetime
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from tools.errors import ToolError

NAME_LIMIT = 64  # as in device/config_table.py, of the board and of the prefix of topics
SECONDS_LIMIT = 100_000_000_000  # as in device/offer.py: from here on a Unix time is in ms
DAYS_LIMIT = 36_500
COUNT_LIMIT = 1_000_000
_BUILD_TIME = "%b %d %Y %H:%M:%S"


class Help(argparse.HelpFormatter):
    """Keeps the paragraphs of a description."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.strip().split("\n\n")
        return "\n\n".join(super(Help, self)._fill_text(part, width, indent) for part in parts)


def refuse(args: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """Raises ToolError if one of these options was given: what would be ignored is not accepted silently."""
    found = [name for name in names if name in getattr(args, "given", ())]
    if found:
        raise ToolError(f"{', '.join(found)}: {why}")


def apart(*outputs: Path | None) -> None:
    """Raises ToolError if two of the files to write are one: the second would replace the first."""
    found = [os.path.realpath(path) for path in outputs if path]
    for path in found:
        if found.count(path) > 1:
            raise ToolError(f"{path} cannot hold two results: give two files to write")


def whole(low: int, high: int = COUNT_LIMIT, what: str = "a whole number") -> Callable[[str], int]:
    """A type for argparse: integers from low, which is not negative, to high."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,20}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what} from {low} to {high}")
        return int(text)

    return parse


def text(given: str) -> str:
    """Not empty, and printable: it goes into files, into messages and to terminals."""
    if not given.strip():
        raise argparse.ArgumentTypeError("it is empty: is a variable of the shell not set?")
    if not given.isprintable():
        raise argparse.ArgumentTypeError(f"{given!r} has characters that cannot be printed, or is not UTF-8")
    return given


def path(given: str) -> Path:
    """One that lists of files and configurations can hold."""
    return Path(text(given))


def name(given: str) -> str:
    """Of a board, that is a product."""
    if len(text(given)) > NAME_LIMIT:
        raise argparse.ArgumentTypeError(f"{given[:20]!r} … has {len(given)} of {NAME_LIMIT} characters")
    return given


def prefix(given: str) -> str:
    """Of MQTT topics."""
    if set(name(given)) & set(" +#"):
        raise argparse.ArgumentTypeError(f"{given!r}: no topic begins so, leave out blanks, + and #")
    return given


def host(given: str) -> str:
    """A DNS name or an IP address."""
    if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,253}", given):
        raise argparse.ArgumentTypeError(f"{given[:80]!r} is not a DNS name or an IP address")
    return given


port = whole(1, 65535, "a port")
any_port = whole(0, 65535, "a port (0: any that is free)")
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
        is_good = datetime.datetime.strptime(text, _BUILD_TIME).strftime(_BUILD_TIME) == text
    except ValueError:
        is_good = False
    if not is_good:  # strptime() takes blanks, small letters and digits of any script
        raise argparse.ArgumentTypeError(f'{text!r} is not a build time: write it as "May 24 2024 10:33:41"')
    return text
