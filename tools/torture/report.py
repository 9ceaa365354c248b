"""What came of the cases, a line a class: live on a terminal, and as the table at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

OUTCOMES = ("bricked", "unverified", "hung", "lost", "unreported")
MEANINGS = {"silent": "unreported", "wrong": "unreported", "crashed": "hung"}
WIDTH = 100  # where there is no terminal
HEADINGS = ("bricked", "un-\nverified", "hung", "lost", "un-\nreported")


@dataclass
class Line:
    """One class. planned: cases known of; a sweep adds to them as it goes."""

    title: str
    cases: int = 0
    repeated: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))

    def add(self, result: dict[str, Any]) -> None:
        self.cases += 1
        self.repeated = max(self.repeated, result.get("repeated", 0))
        if result["outcome"] != "ok":
            self.counts[MEANINGS.get(result["outcome"], result["outcome"])] += 1


class Report:
    """`with Report(console, titles) as report:` and then `report.add(name, result)`."""

    def __init__(self, console: Console, titles: dict[str, str]) -> None:
        self.lines = {name: Line(title) for name, title in titles.items()}
        self.failures: list[dict[str, Any]] = []
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self.table)

    def __enter__(self) -> Report:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        if not self._console.is_terminal:
            self._console.print()

    def add(self, name: str, result: dict[str, Any]) -> None:
        self.lines[name].add(result)
        if result["outcome"] != "ok":
            self.failures.append(result)
            self._console.print(
                f"{result['outcome']}: {result['detail']}\n"
                f"  python3 -m tools torture --case {result['id']}", markup=False, soft_wrap=True
            )  # fmt: skip

    def finish(self, name: str) -> None:
        """A class is done: where nobody sees the live table, it is said in a line."""
        line = self.lines[name]
        if not self._console.is_terminal:
            self._console.print(f"{line.title}: {line.cases:,} cases")

    def table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("class", min_width=13)
        for heading in ("cases", *HEADINGS, "bytes\ntwice"):
            table.add_column(heading, justify="right")
        for line in self.lines.values():
            table.add_row(line.title, *self._cells(line))
        total = Line("all")
        for line in self.lines.values():
            total.cases += line.cases
            total.repeated = max(total.repeated, line.repeated)
            for name, count in line.counts.items():
                total.counts[name] += count
        table.add_row("[bold]all[/]", *self._cells(total))
        return table

    @staticmethod
    def _cells(line: Line) -> list[str]:
        counts = [f"[red]{n:,}[/]" if n else "0" for n in line.counts.values()]
        return [f"{line.cases:,}" if line.cases else "·", *counts, f"{line.repeated:,}"]
