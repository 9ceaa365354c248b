"""The fleet in a terminal: tables and bars of rich, from the plain data of view.py."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tools.server import view
from tools.server.states import (
    CANCELLING,
    CONFIRMED,
    FAILED,
    NOT_RECALLABLE,
    ROLLED_BACK,
    SILENT,
    UNDER_WAY,
)  # fmt: skip

STYLES = {
    CONFIRMED: "green", FAILED: "bold red", ROLLED_BACK: "bold red", SILENT: "yellow", CANCELLING: "yellow",
    NOT_RECALLABLE: "bold red",
}  # fmt: skip
BAR_WIDTH = 12


def ago(moment: float | None, now: float) -> str:
    """ "never", "now", "12 s", "5 min", "3 h", "2 d"."""
    if moment is None:
        return "never"
    seconds = max(0, int(now - moment))
    if seconds < 3:
        return "now"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def when(seconds: float) -> str:
    """Unix s as a person reads it: "2026-11-30 02:00", by the clock of this machine."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def devices(rows: list[dict[str, Any]], now: float) -> Table:
    """rows: see view.devices."""
    has_tags = any(row["tags"] for row in rows)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("device", "version", "slot", "seen", *(["tags"] if has_tags else []), "state", "", "error"):
        table.add_column(name, justify="right" if name == "seen" else "left", no_wrap=name != "error")
    for row in rows:
        state = Text(row["state"] or "–", STYLES.get(row["state"], ""))
        if row["offered"] and row["offered"] != row["version"]:
            state.append(f" {row['offered']}", "dim")
        if row["waits_until"]:
            state.append(f" until {when(row['waits_until'])}", "dim")
        error = Text("; ".join(filter(None, (row["error"], row["earlier"], row["warning"]))))
        tags = [Text(" ".join(row["tags"]))] if has_tags else []
        seen = ago(row["seen"], now)
        cells = (row["mac"], Text(row["version"] or "–"), Text(row["slot"] or "–"), seen, *tags)
        table.add_row(*cells, state, _bar(row), error)
    return table


def _bar(row: dict[str, Any]) -> RenderableType:
    if row["state"] not in UNDER_WAY:
        return ""
    return ProgressBar(total=100, completed=row["progress"], width=BAR_WIDTH)


def fleet(shown: dict[str, Any]) -> Group:
    """shown: see view.fleet, view.push or pages.recent."""
    lines = [Text(view.summary(push)) for push in shown["pushes"]]
    left_out = shown["known"] - len(shown["devices"])
    if left_out > 0:
        lines.insert(0, Text(f"and {left_out:,} more: `devices` shows them all", "dim"))
    return Group(devices(shown["devices"], shown["time"]), *lines)
