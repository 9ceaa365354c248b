"""Where wide tables go: a terminal as wide as it is, or a file that has room for all of a line."""

from __future__ import annotations

import os

from rich.console import Console


def wide(columns: int) -> Console:
    """columns: where there is no terminal and COLUMNS does not say how many there are."""
    console = Console(highlight=False)
    if console.is_terminal or os.environ.get("COLUMNS"):
        return console
    return Console(highlight=False, width=columns)
