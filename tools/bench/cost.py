"""What programs cost, to be compared: instructions, else interleaved medians of processor time."""

from __future__ import annotations

import resource
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tools.bench import valgrind
from tools.cli.console import last_words
from tools.errors import ToolError
from tools.programs import runtimes

ROUNDS = 7
GROUPS = ("work", "verify")  # of lines measured like this

Wrap = Callable[[list[str]], list[str]]
Program = Callable[[Wrap], object]  # runs one process to its end, its command passed through wrap


def method() -> str:
    """How the lines of work and verify were measured, for the table."""
    if is_counted():
        how = "instructions counted by valgrind (cachegrind)"
    else:
        how = f"processor time, interleaved medians of {ROUNDS} rounds, for want of a valgrind that runs it"
    return f"{how}, on {runtimes.version('mp32')}, 32 bit"


def is_counted() -> bool:
    return bool(valgrind.find())


def compare(programs: dict[str, Program]) -> dict[str, float]:
    """What each program costs: instructions, or seconds where no valgrind runs."""
    return _count(programs) if is_counted() else _time(programs)


def _count(programs: dict[str, Program]) -> dict[str, float]:
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, program) in enumerate(programs.items()):
            log = Path(folder) / f"{number}.log"
            program(lambda command, log=log: valgrind.wrap(valgrind.find(), command, log))
            costs[name] = valgrind.read_count(log)
    return costs


def _time(programs: dict[str, Program]) -> dict[str, float]:
    rounds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(ROUNDS):
        for name, program in programs.items():
            before = _children_s()
            program(lambda command: command)
            rounds[name].append(_children_s() - before)
    return {name: statistics.median(seconds) for name, seconds in rounds.items()}


def _children_s() -> float:
    """Processor time of the children that have ended; servers that go on do not count."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command: list[str], cwd: Path, env: dict[str, str], limit_s: float = 300) -> str:
    """One process to its end; what it printed. Raises ToolError if it fails."""
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, timeout=limit_s,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ToolError(f"the bench's program took over {limit_s} s") from None
    if done.returncode:
        raise ToolError(f"the bench's program failed: {last_words(done.stdout + done.stderr)}")
    return done.stdout


def reported(output: str, name: str) -> list[str]:
    """The words after this one, in the line of a board's output that begins with it. Raises ToolError."""
    for line in output.splitlines():
        first, *rest = line.split() or [""]
        if first == name and rest:
            return rest
    raise ToolError(f"the board did not report {name}")
