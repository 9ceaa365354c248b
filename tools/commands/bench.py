"""Measure what an update costs, beside what it must: heap, instructions, flash, signature, bytes, latency.

Ratios, counts and bytes of one run, never bare seconds. Takes minutes; --only measures fewer.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.bench import budget, cost, fits, measure, plot, readme, server, sizes
from tools.bench.lines import BY_NAME, VERDICTS, holds, text
from tools.cli import options, screen, wholefile

WIDTH = 130  # where there is no terminal
COLOURS = {True: "green", False: "bold red", None: "default"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them as SVG")
    parser.add_argument(
        "--only", nargs="+", choices=list(BY_NAME), metavar="LINE",
        help=f"measure these and what comes with them: {', '.join(BY_NAME)}",
    )  # fmt: skip
    parser.add_argument("--check", action="store_true", help="exit 1 if a line is beyond its budget")
    parser.add_argument("--commit", action="store_true", help="make them the budget, and those of the page")
    parser.add_argument(
        "--server", action="store_true", help="measure the server instead: 1,000 boards, 10,000 questions"
    )


def run(args: argparse.Namespace) -> int:
    console = screen.wide(WIDTH)
    if args.server:
        parts = ("--json", "--plot", "--only", "--check", "--commit")
        options.refuse(args, parts, "not with --server, which measures the server alone")
        return server.run(console)
    options.apart(args.json, args.plot)
    for path in filter(None, (args.json, args.plot)):
        wholefile.require_place(path)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # boards that run out of heap hang up
    values = measure.measure(args.only or BY_NAME, lambda group: console.print(f"measuring {group} …"))
    console.print(table(values))
    console.print(f"work and verify: {cost.method()}; {NOTE}")
    if args.json:
        text = json.dumps(as_json(values), indent=1, ensure_ascii=False) + "\n"
        wholefile.write(args.json, text.encode())
    if args.plot:
        plot.draw(values, args.plot)
    if args.commit:
        budget.save(sizes.modules(), comparable(values))
        readme.write(budget.load()["lines"])
        fits.write()
    return check(comparable(values), console) if args.check else 0


def comparable(values: dict[str, float]) -> dict[str, float]:
    """Without what was timed for want of valgrind: that is not a figure to hold anything to."""
    return {name: value for name, value in values.items() if not is_timed(name)}


def is_timed(name: str) -> bool:
    return BY_NAME[name].group in cost.GROUPS and not cost.is_counted()


NOTE = (
    "heaps: whole update over mutual-TLS MQTT and HTTPS, confirmed three times; shims and umqtt are executed "
    "in place, or frozen where the package is; what they keep in the heap is in the figures; TLS's own "
    "buffers lie outside the heap on this port"
)


def table(values: dict[str, float]) -> Table:
    result = Table(box=None, pad_edge=False)
    result.add_column("line", overflow="fold")
    for heading in ("value", "must", "aim"):
        result.add_column(heading, justify="right", no_wrap=True)
    result.add_column(no_wrap=True)
    for name, line in BY_NAME.items():
        if name in values:
            figures = (text(values[name]), text(line.must), text(line.aim))
            held = None if is_timed(name) else holds(line, values[name])
            verdict = "timed" if is_timed(name) else VERDICTS[held]
            title = escape(f"{name}: {line.title}, {line.unit}")
            result.add_row(title, *figures, f"[{COLOURS[held]}]{verdict}[/]")
    return result


def as_json(values: dict[str, float]) -> dict[str, dict]:
    return {
        name: {"value": values[name], "must": line.must, "aim": line.aim, "unit": line.unit}
        for name, line in BY_NAME.items()
        if name in values
    }


def check(values: dict[str, float], console: Console) -> int:
    committed = budget.load()
    complaints = budget.over_lines(values, committed["lines"])
    complaints += budget.over_modules(sizes.modules(), committed["modules"])
    for complaint in complaints:
        console.print(f"over budget: {complaint}", markup=False, soft_wrap=True)
    return int(bool(complaints))
