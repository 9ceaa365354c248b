"""A board's ota.json on the host: read, checked by the board's own table, written as boards can read it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from device import config_table, errors
from tools.cli import wholefile
from tools.errors import ToolError

# Images of before start with these only where the file says that it is of a later format than theirs.
_SINCE_FORMAT_2 = {"file_hosts", "download_limit_s", "refuse_s"}


def read(path: Path) -> dict:
    """Raises ToolError that names what is wrong with the file; for its keys see check()."""
    try:
        config = json.loads(wholefile.read(path).decode("utf-8-sig"))
    except OSError as error:
        raise ToolError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ToolError(f"{path} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise ToolError(f"{path} is not a JSON object: see the table in device/CONFIGURATION.md")
    return config


def parse(text: str | None) -> dict | None:
    """What a file of a board says, if there is one; None if it is not a JSON object."""
    try:
        config = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def check(config: dict, path: Path | None = None) -> None:
    """Raises ToolError with what a board would say to it. Keys of a newer format are not looked at. path: the
    file it is from, None = not from one alone."""
    number = config.get("format")
    if isinstance(number, int) and number > config_table.FORMAT:
        config = {key: value for key, value in config.items() if key in config_table.KEYS}
    try:
        config_table.fill(SimpleNamespace(), config)
    except errors.OtaError as error:
        raise ToolError(f"{path}: {error.detail}" if path else error.detail) from None


def dump(config: dict) -> bytes:
    """In UTF-8, not escaped: MicroPython reads "\\ud83d\\udca9" as two characters. With its format, where an
    image of before needs that. Raises ToolError."""
    if _SINCE_FORMAT_2 & set(config):
        config = {"format": 2} | config
    try:
        return (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError as error:
        raise ToolError(f"the configuration has {error.object[error.start]!r}, half a character") from None


def save(path: Path, content: bytes) -> None:
    """It holds the password of the Wi-Fi: for its owner only."""
    wholefile.write(path, content, 0o600)
