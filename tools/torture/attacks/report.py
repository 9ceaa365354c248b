"""What came of the attacks, a line a class."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.torture.attacks import cases

OUTCOMES = ("accepted", "crashed", "hung", "locked out", "wrong")
MEANINGS = {"unverified": "accepted", "bricked": "crashed", "lost": "locked out", "silent": "wrong"}
_ALWAYS = OUTCOMES[:3]  # are said even if there are none
MAX_CODES = 3  # named in a line


@dataclass
class Line:
    """One class. attacks, controls: how many; taken: of the controls; codes: how often each was reported."""

    title: str
    attacks: int = 0
    controls: int = 0
    taken: int = 0
    codes: Counter = field(default_factory=Counter)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))

    def add(self, case: cases.Case, result: dict[str, Any]) -> None:
        outcome = result["outcome"]
        if cases.is_control(case):
            self.controls += 1
            self.taken += outcome == "ok"
            return
        self.attacks += 1
        self.codes.update(set(result.get("codes", ())))
        if outcome != "ok":
            self.counts[MEANINGS.get(outcome, outcome)] += 1


class Report:
    """`add()` each result, then `finish()`."""

    def __init__(self, console: Console) -> None:
        self.lines: dict[str, Line] = {}
        self.failures = 0
        self._console = console

    def add(self, line: Line, case: cases.Case, result: dict[str, Any]) -> None:
        line.add(case, result)
        if result["outcome"] != "ok":
            self.failures += 1
            self._console.print(
                f"{result['outcome']}: {result['detail']}\n"
                f"  python3 -m tools torture --case {shlex.quote(result['id'])}", markup=False, soft_wrap=True
            )  # fmt: skip

    def finish(self) -> int:
        """Print the table and the total; 1 if anything failed, or if nothing was proved."""
        self._console.print(self._table())
        total = Line("all")
        for line in self.lines.values():
            total.attacks += line.attacks
            total.taken += line.taken
            total.controls += line.controls
            for name, count in line.counts.items():
                total.counts[name] += count
        counts = total.counts
        caught = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES if counts[name] or name in _ALWAYS)
        self._console.print(
            f"{total.attacks:,} attacks in {len(self.lines)} classes: {caught}; "
            f"{total.taken} of {total.controls} valid controls accepted", soft_wrap=True
        )  # fmt: skip
        is_proof = all(line.attacks and line.controls for line in self.lines.values())
        return int(bool(self.failures) or not is_proof)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("class", min_width=13)
        for heading in ("attacks", *OUTCOMES, "controls"):
            table.add_column(heading.replace(" ", "\n"), justify="right")
        table.add_column("codes reported", overflow="fold")
        for line in self.lines.values():
            counts = [f"[red]{n:,}[/]" if n else "0" for n in line.counts.values()]
            codes = [str(code) for code, _ in line.codes.most_common(MAX_CODES)]
            table.add_row(
                line.title, f"{line.attacks:,}", *counts, f"{line.taken}/{line.controls}", " ".join(codes)
            )
        return table
