"""Every portable test file inside MicroPython, in 32 and 64 bit, and the link with another umqtt.

Device and tests are compiled first, as for a board: compiling inside so small a heap would leave it full
of holes.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import cache, runtimes
from tools.simboard import board
from tools.simboard.factory import HEAP_KIB

PORTABLE = Path(__file__).resolve().parent / "portable"
FILES = sorted(PORTABLE.glob("test_*.py"))
LINK_FILES = sorted(PORTABLE.glob("test_link*.py"))
UMQTT_180 = PORTABLE.parent / "umqtt180"
LIMIT_S = 240


def _count_tests(path: Path) -> int:
    tree = ast.parse(path.read_text())
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    names = [name for name in functions if name.startswith("test_")]
    assert len(set(names)) == len(names), f"{path.name}: a test hides another of the same name"
    return len(names)


def _micropython(interpreter: str, compiled: Path, umqtt: Path, path: Path, cwd: Path) -> None:
    folders = [board.ONBOARD, board.MICROPYTHON, compiled, umqtt]
    command = [*runtimes.interpreter(interpreter), "-X", f"heapsize={HEAP_KIB[interpreter]}K"]
    _run(command, {"MICROPYPATH": ":".join(map(str, folders)) + ":.frozen"}, path, cwd)


def _run(command: list[str], environment: dict[str, str], path: Path, cwd: Path) -> None:
    result = subprocess.run(
        [*command, str(PORTABLE / "run.py"), path.stem],
        capture_output=True, text=True, timeout=LIMIT_S, cwd=cwd, env=environment, errors="replace",
    )  # fmt: skip
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    assert f"{_count_tests(path)} run, 0 failed" in output, output


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("interpreter", ["mp32", "mp64"])
def test_inside_micropython(
    interpreter: str, path: Path, compiled: Path, tmp_path: Path
) -> None:
    _micropython(interpreter, compiled, runtimes.umqtt(), path, tmp_path)


@pytest.mark.parametrize("path", LINK_FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("interpreter", ["mp32", "mp64"])
def test_link_with_another_umqtt(
    interpreter: str, path: Path, compiled: Path, tmp_path: Path
) -> None:
    _micropython(interpreter, compiled, UMQTT_180, path, tmp_path)


@pytest.mark.parametrize("path", LINK_FILES, ids=lambda path: path.stem)
def test_link_with_another_umqtt_on_cpython(path: Path, tmp_path: Path) -> None:
    folders = [board.CPYTHON, board.ONBOARD, PORTABLE, cache.REPO, UMQTT_180]
    environment = {"PYTHONPATH": ":".join(map(str, folders)), "PATH": os.defpath}
    _run([sys.executable, "-B"], environment, path, tmp_path)
