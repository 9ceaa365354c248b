"""bash completes the command line of python3 -m tools, by TAB in a terminal."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.programs import cache

BASH = shutil.which("bash") or ""
LIMIT_S = 120
START_OF_LINE, END = b"\x01", "that is all"  # Ctrl-A of readline


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "tools", "--completion"], cwd=cache.REPO, capture_output=True, text=True,
        timeout=LIMIT_S,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    path = tmp_path_factory.mktemp("completion") / "tools.bash"
    path.write_text(done.stdout)
    return path


def completed(line: str, script: Path, folder: Path) -> str:
    """The line that a bash in this folder would run, after what is typed; TAB is a tab."""
    typed = [f"source {script}\n".encode(), line.encode() + START_OF_LINE + b"echo : \n"]
    typed.append(f"echo {END[:4]}''{END[4:]}\n".encode())  # what is echoed is not what is typed
    number, terminal = pty.openpty()
    environment = {**os.environ, "PS1": "$ ", "TERM": "dumb", "COLUMNS": "300", "INPUTRC": os.devnull}
    shell = subprocess.Popen(
        [BASH, "--norc", "--noprofile", "-i"], cwd=folder, env=environment, stdin=terminal, stdout=terminal,
        stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    said = b""
    try:
        os.write(number, b"".join(typed))
        deadline = time.monotonic() + LIMIT_S
        while END.encode() not in said:
            assert select.select([number], [], [], deadline - time.monotonic())[0], said.decode()
            said += os.read(number, 4096)
    finally:
        shell.kill()
        shell.wait()
        os.close(number)
    return next(text for text in said.decode().splitlines() if text.startswith(": ")).removeprefix(": ")


@pytest.mark.skipif(not BASH, reason="no bash here")
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("python3 -m tools dev\t", "python3 -m tools devices"),
        ("python3 -m tools push server --max\t3", "python3 -m tools push server --max-failures 3"),
        ("python3 -m tools demo --runtime cp\t", "python3 -m tools demo --runtime cpython"),
        ("python3 -m tools keys my\t", "python3 -m tools keys my keys/"),
        ("python3 -m tools sign lam\t --key x", "python3 -m tools sign lamp.img --key x"),
        ("python3 -m tools --ver\t", "python3 -m tools --version"),
        ("python3 lam\t", "python3 lamp.img"),
        ("python3 -m other dev\t", "python3 -m other dev"),
    ],
)
def test_tab(typed: str, line: str, script: Path, tmp_path: Path) -> None:
    (tmp_path / "lamp.img").touch()
    (tmp_path / "my keys").mkdir()
    assert completed(typed, script, tmp_path).split() == line.split()


def test_the_other_commands_do_without() -> None:
    """It costs them nothing: the library is not even loaded."""
    code = (
        "import sys\nfrom tools.__main__ import load\nload('devices')\nload('keys')\n"
        "print('shtab' in sys.modules, 'rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=cache.REPO, capture_output=True, text=True,
                          timeout=LIMIT_S)  # fmt: skip
    assert done.stdout == "False True\n", done.stdout + done.stderr
