"""Plays the attacks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from tools.torture import pool
from tools.torture.attacks import forge, table
from tools.torture.attacks.report import Line, Report

WIDTH = 128  # where there is no terminal


def play(names: Iterable[str], fixtures: Path, full: bool, jobs: int, console: Console) -> int:
    """These classes; full: all of their cases. 1 if one failed."""
    grounds = forge.grounds(fixtures)
    report = Report(console)
    for name in names:
        line = report.lines[name] = Line(table.ATTACKS[name].title)
        requests = table.requests(name, grounds, full)
        cases = {case["id"]: case for request in requests for case in request.cases}
        for result in pool.play_all(requests, fixtures, jobs, heap=pool.HEAP["attacks"]):
            report.add(line, cases[result["id"]], result)
        console.print(f"{line.title}: {line.attacks:,} attacks, {line.controls} controls")
    return report.finish()
