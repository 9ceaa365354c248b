"""Every portable test file inside MicroPython, each release and word size that can be had, and the link with
another umqtt.

Device and tests are compiled first, as for a board: compiling inside so small a heap would leave it full
of holes.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.programs import cache, runtimes, webassembly
from tools.simboard import board
from tools.simboard.factory import HEAP_KIB

PORTABLE = Path(__file__).resolve().parent / "portable"
FILES = sorted(PORTABLE.glob("test_*.py"))
LINK_FILES = sorted(PORTABLE.glob("test_link*.py"))
PACKETS = cache.REPO / "tools/server/packets"
UMQTT_180 = PORTABLE.parent / "umqtt180"
WEBASSEMBLY = PORTABLE.parent / "webassembly"
MAIN = "mp32"
MICROPYTHONS = [name for name in runtimes.INTERPRETERS if name != "cpython"]
LIMIT_S = 900
MARGIN_KIB = 24  # that a test leaves of the board's heap: what fits barely fails where paths are longer
SLOW = {"test_ecdsa_points", "test_wear"}


def _pair(interpreter: str, path: Path) -> object:
    marks: list[pytest.MarkDecorator] = []
    if interpreter in runtimes.WEBASSEMBLY:  # which collects no garbage inside a test
        count = len(runtimes.WEBASSEMBLY)
        marks = [pytest.mark.sample(count if path.stem in SLOW else 4), pytest.mark.quick_sample(count)]
    elif path.stem in SLOW and interpreter != MAIN:
        marks = [pytest.mark.sample(4)]
    return pytest.param(interpreter, path, id=f"{interpreter}-{path.stem}", marks=marks)


def _pairs() -> Iterator[object]:
    """Each file begins with another interpreter: a sample has some files of each release of WebAssembly."""
    for number, path in enumerate(FILES):
        start = number % len(MICROPYTHONS)
        for interpreter in MICROPYTHONS[start:] + MICROPYTHONS[:start]:
            yield _pair(interpreter, path)


PAIRS = list(_pairs())


def _count_tests(path: Path) -> int:
    tree = ast.parse(path.read_text())
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    names = [name for name in functions if name.startswith("test_")]
    assert len(set(names)) == len(names), f"{path.name}: a test hides another of the same name"
    return len(names)


def _micropython(interpreter: str, compiled: Path, umqtt: Path, path: Path, cwd: Path) -> None:
    folders = [board.ONBOARD, board.MICROPYTHON, compiled, umqtt]
    if interpreter in runtimes.WEBASSEMBLY:
        folders.insert(0, WEBASSEMBLY)
    command = [*runtimes.interpreter(interpreter), "-X", f"heapsize={_heap_kib(interpreter)}K"]
    _run(command, {"MICROPYPATH": ":".join(map(str, folders)) + ":.frozen"}, path, cwd)


def _heap_kib(interpreter: str) -> int:
    """Less than the board has, but in CI, which is never to be the first to notice."""
    whole = HEAP_KIB.get(interpreter, HEAP_KIB["mp32"])
    return whole if os.environ.get("CI") else whole - MARGIN_KIB


def _run(command: list[str], environment: dict[str, str], path: Path, cwd: Path) -> None:
    result = subprocess.run(
        [*command, str(PORTABLE / "run.py"), path.stem],
        capture_output=True, text=True, timeout=LIMIT_S, cwd=cwd, env=environment, errors="replace",
    )  # fmt: skip
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    counts = re.search(r"(\d+) run, 0 failed(?:, (\d+) need sockets)?", output)
    assert counts and int(counts[1]) + int(counts[2] or 0) == _count_tests(path), output
    assert not counts[2] or str(webassembly.STARTER) in command, output


@pytest.mark.parametrize(("interpreter", "path"), PAIRS)
def test_inside_micropython(interpreter: str, path: Path, compiled: Path, tmp_path: Path) -> None:
    _micropython(interpreter, compiled, runtimes.umqtt(), path, tmp_path)


@pytest.mark.sample(4)
@pytest.mark.parametrize("path", LINK_FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("interpreter", MICROPYTHONS)
def test_link_with_another_umqtt(interpreter: str, path: Path, compiled: Path, tmp_path: Path) -> None:
    _micropython(interpreter, compiled, UMQTT_180, path, tmp_path)


@pytest.mark.parametrize("path", LINK_FILES, ids=lambda path: path.stem)
def test_link_with_another_umqtt_on_cpython(path: Path, tmp_path: Path) -> None:
    folders = [board.CPYTHON, board.ONBOARD, PORTABLE, PACKETS, cache.REPO, UMQTT_180]
    environment = {"PYTHONPATH": ":".join(map(str, folders)), "PATH": os.defpath}
    _run([sys.executable, "-B"], environment, path, tmp_path)
