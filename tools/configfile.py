"""A board's ota.json on the host."""

from __future__ import annotations

import json
from pathlib import Path

from tools import wholefile
from tools.errors import ToolError


def read(path: Path) -> dict:
    """Raises ToolError that names what is wrong with the file; not with its keys, which the board checks."""
    try:
        config = json.loads(path.read_text())
    except OSError as error:
        raise ToolError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ToolError(f"{path} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise ToolError(f"{path} is not a JSON object: see the table in README.md")
    return config


def dump(config: dict) -> bytes:
    return (json.dumps(config, indent=2) + "\n").encode()


def save(path: Path, content: bytes) -> None:
    """It holds the password of the Wi-Fi: for its owner only."""
    wholefile.write(path, content, 0o600)
