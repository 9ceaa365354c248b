"""Switches off one safeguard of the device code at a time: a torture that notices nothing proves nothing."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tools.cli.console import last_words
from tools.errors import ToolError
from tools.programs import cache, runtimes
from tools.torture import classes, pool
from tools.torture.attacks import table
from tools.torture.attacks.forge import Ground
from tools.torture.pool import Request
from tools.torture.safeguards import MUTANTS, Mutant
from tools.torture.trace import Trace

PYTEST_LIMIT_S = 1800


def run(traces: dict[str, Trace], grounds: dict[str, Ground], fixtures: Path, jobs: int) -> int:
    """1 if a mutant went unnoticed."""
    console = Console(highlight=False)
    unnoticed = 0
    for mutant in MUTANTS:
        case = first_failure(mutant, traces, grounds, fixtures, jobs)
        unnoticed += case is None
        verdict = f"noticed: {case}" if case else "[red]NOT NOTICED[/]"
        console.print(f"without “{mutant.safeguard}”: {verdict}", soft_wrap=True)
    console.print(f"{len(MUTANTS)} safeguards switched off, {len(MUTANTS) - unnoticed} noticed")
    return int(bool(unnoticed))


def first_failure(
    mutant: Mutant, traces: dict[str, Trace], grounds: dict[str, Ground], fixtures: Path, jobs: int
) -> str | None:
    """What a failing case or test says; None if all survive."""
    with tempfile.TemporaryDirectory(prefix="ota-mutant-") as folder:
        root = Path(folder)
        _copy("device", root)
        for module, before, after in mutant.changes:
            path = root / "device" / f"{module}.py"
            path.write_text(changed(path.read_text(), before, after))
        if "::" in mutant.noticed_by[0]:
            return _failing_test(mutant.noticed_by[0], root)
        for name in mutant.noticed_by:
            requests, heap = _requests(name, traces, grounds)
            failing = _failing_case(requests, fixtures, jobs, root, heap)
            if failing:
                return failing
        return None


def changed(source: str, before: str, after: str) -> str:
    """Raises ToolError if there is nothing to change, or no Python comes of it."""
    if source.count(before) != 1:
        raise ToolError(f"{before!r} no longer stands there once: correct safeguards.py")
    result = source.replace(before, after)
    try:
        compile(result, "mutant", "exec")
    except SyntaxError as error:
        raise ToolError(f"{after!r}: {error}") from None
    return result


def _requests(name: str, traces: dict[str, Trace], grounds: dict[str, Ground]) -> tuple[list[Request], str]:
    """The requests of a class, the boot modes in turn, and the heap they need."""
    if name in table.ATTACKS:
        return table.requests(name, grounds, full=True), pool.HEAP["attacks"]
    modes = [classes.requests(name, trace, True) for trace in traces.values()]
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*modes))
    return [request for request in in_turn if request], pool.HEAP["small"]


def _failing_case(requests: list[Request], fixtures: Path, jobs: int, root: Path, heap: str) -> str | None:
    try:
        for result in pool.play_all(requests, fixtures, jobs, device=root, heap=heap):
            if result["outcome"] != "ok":
                return f"{result['id']} {result['outcome']}"
    except ToolError:
        return "the undisturbed update fails"
    return None


def _failing_test(node: str, root: Path) -> str | None:
    """node: FILE::NAME, played on CPython. Raises ToolError if there is no such test."""
    for name in ("host_tests", "tools", "pyproject.toml"):
        _copy(name, root)
    environment = os.environ | {"UMQTT_SIMPLE": str(runtimes.umqtt())}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", node], cwd=root, env=environment,
        capture_output=True, text=True, timeout=PYTEST_LIMIT_S,
    )  # fmt: skip
    if result.returncode not in (0, 1):
        raise ToolError(f"{node} does not run: {last_words(result.stdout)}")
    return node if result.returncode else None


def _copy(name: str, root: Path) -> None:
    source = cache.REPO / name
    if source.is_dir():
        shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, root)

