"""The fleet in a terminal: tables and bars of rich, from the plain data of view.py."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group, RenderableType
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
WIDEST = {"version": 14, "slot": 8, "tags": 14}  # a board may say 64 characters
FEWEST = 3  # devices that are shown on the smallest screen


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
    """rows: see view.devices. In 80 columns nothing is cropped: what is long goes on in its next line, an
    error stands under the state."""
    has_tags = any(row["tags"] for row in rows)
    is_under_way = any(row["state"] in UNDER_WAY for row in rows)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("device", "version", "slot", "seen", *(["tags"] if has_tags else []), "state"):
        is_whole, side = name in ("device", "seen"), "right" if name == "seen" else "left"
        table.add_column(name, justify=side, no_wrap=is_whole, overflow="fold", max_width=WIDEST.get(name))
    for row in rows:
        tags = [Text(" ".join(row["tags"]))] if has_tags else []
        cells = (row["mac"], Text(row["version"] or "–"), Text(row["slot"] or "–"), ago(row["seen"], now))
        table.add_row(*cells, *tags, _state(row), *([_bar(row)] if is_under_way else []))
    return table


def _state(row: dict[str, Any]) -> Text:
    state = Text(row["state"] or "–", STYLES.get(row["state"], ""))
    if row["offered"] and row["offered"] != row["version"]:
        state.append(f" {row['offered']}", "dim")
    if row["waits_until"]:
        state.append(f" until {when(row['waits_until'])}", "dim")
    for error in filter(None, (row["error"], row["earlier"], row["warning"])):
        state.append(f"\n{error}", "default")
    return state


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


def fitting(shown: dict[str, Any], console: Console, others: int = 0) -> Group:
    """The same for a screen that lives, with so many other lines: without the last devices where there is no
    room for all, so that what stands below them is seen."""
    devices, room = shown["devices"], console.height - others
    del devices[max(FEWEST, room) :]
    while (excess := len(console.render_lines(fleet(shown))) - room) > 0 and len(devices) > FEWEST:
        del devices[max(FEWEST, len(devices) - max(1, excess // 8)) :]
    return fleet(shown)
