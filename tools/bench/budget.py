"""The budget: committed figures in budget.json, and what may not grow beyond them.

A line is held to the smaller of its must and its committed figure + 5 %. Where the committed figure
is above the must, file and table say that it is not reached yet, and it may not get worse.
"""

from __future__ import annotations

import json
from pathlib import Path

from tools.bench.lines import BY_NAME, LINES, holds

FILE = Path(__file__).resolve().parent / "budget.json"
TOLERANCE = 1.05
NOISY = tuple(line.name for line in LINES if line.group == "latency")  # timed: shown only
MORE_IS_BETTER = ("sweep_reported",)


def load() -> dict:
    """{"modules": {name: bytes}, "lines": {name: value}, "must not reached yet": [names]}."""
    return json.loads(FILE.read_text())


def save(modules: dict[str, int], values: dict[str, float]) -> None:
    """Commit these figures; lines that were not measured keep theirs."""
    lines = (load()["lines"] if FILE.exists() else {}) | values
    lines = {name: _rounded(lines[name]) for name in BY_NAME if name in lines}
    missed = [name for name, value in lines.items() if holds(BY_NAME[name], value) is False]
    content = {"must not reached yet": missed, "lines": lines, "modules": modules}
    FILE.write_text(json.dumps(content, indent=1) + "\n")


def _rounded(value: float) -> float:
    """Four digits are more than any line repeats."""
    return float(f"{value:.4g}") if value != int(value) else int(value)


def limit(name: str, committed: float) -> float:
    """What a line may be at most: its must, or little more than what is committed. One that is committed
    although it misses its must, which the page says, may not get worse."""
    allowed = committed * TOLERANCE
    must = BY_NAME[name].must
    return allowed if must is None or committed > must else min(must, allowed)


def over_lines(values: dict[str, float], committed: dict[str, float]) -> list[str]:
    """A complaint for each line beyond its budget, and for each that has none."""
    complaints = []
    for name, value in values.items():
        if name in NOISY or name in MORE_IS_BETTER:
            continue
        if name not in committed:
            complaints.append(f"{name} has no budget: run `python3 -m tools bench --commit`")
        elif value > limit(name, committed[name]):
            complaints.append(_complaint(name, value, limit(name, committed[name]), BY_NAME[name].unit))
    return complaints


def over_modules(bytes_of: dict[str, int], committed: dict[str, int]) -> list[str]:
    """The same for the modules of device/."""
    complaints = []
    for name, size in bytes_of.items():
        if name not in committed:
            complaints.append(f"device/{name}.py has no budget: run `python3 -m tools bench --commit`")
        elif size > committed[name] * TOLERANCE:
            limit = committed[name] * TOLERANCE
            complaints.append(_complaint(f"device/{name}.py", size, limit, ".mpy bytes"))
    gone = set(committed) - set(bytes_of)
    return complaints + [f"device/{name}.py is gone, its budget is not" for name in sorted(gone)]


def _complaint(name: str, value: float, limit: float, unit: str) -> str:
    beyond = value - limit
    share = f", {100 * beyond / limit:.1f} %" if limit else ""
    return f"{name}: {value:,.6g} {unit}, the budget is {limit:,.6g}: {beyond:,.4g} too many{share}"
