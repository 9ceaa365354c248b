"""The environment is made by pip, with one line of progress: on a terminal, in a log, and when pip fails."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.programs import bootstrap

COLLECTING = "Collecting rich~=15.0 (from -r requirements-dev.txt (line 12))"
PROCESSING = "Processing /wheels/mdurl-0.1.2-py3-none-any.whl (from markdown-it-py->rich)"
INSTALLING = "Installing collected packages: mdurl, rich"


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A program in pip's place that says these lines, in bytes as odd as a package's name can be."""

    def replace(*lines: str, code: int = 0, then: str = "pass") -> None:
        program = tmp_path / "python"
        said = [f"{line}\n".encode() for line in lines]
        program.write_text(
            f"#!{sys.executable}\nimport os, sys, time\nfor line in {said}:\n    os.write(1, line)\n"
            f"    time.sleep(0.1)\n{then}\nsys.exit({code})\n"
        )
        program.chmod(0o755)
        monkeypatch.setattr(bootstrap, "PYTHON", program)

    return replace


def test_in_a_log(pip, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.Progress, "LOG_EVERY_S", 0)
    pip(COLLECTING, "  Downloading rich-15.0.0-py3-none-any.whl", PROCESSING, INSTALLING)
    bootstrap.install()
    captured = capsys.readouterr()
    assert captured.out == "" and "\r" not in captured.err
    lines = captured.err.splitlines()
    assert lines[0] == "installing requirements-dev.txt into .venv (once)"
    for words in ("1 packages  collecting rich", "2 packages  collecting mdurl", "installing them all"):
        assert any(line.endswith(words) for line in lines), captured.err
    assert lines[-1].startswith("  done in ")


def test_a_log_is_short(pip, capsys) -> None:
    pip(*[COLLECTING] * 20)
    bootstrap.install()
    assert len(capsys.readouterr().err.splitlines()) < 10


@pytest.mark.parametrize("columns", [40, 80])
def test_on_a_terminal(columns: int, pip, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, which never wraps, without escape sequences."""
    number, terminal = pty.openpty()
    monkeypatch.setenv("COLUMNS", str(columns))
    pip("Collecting " + 60 * "x" + "~=1.0", INSTALLING)
    with os.fdopen(terminal, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        bootstrap.install()
        stream.flush()
        said = ""
        while not said.endswith("\n") or "done in" not in said:
            said += os.read(number, 1 << 16).decode()
    os.close(number)
    first, rest = said.split("\r\n", 1)
    assert first.startswith("installing") and "\x1b" not in said
    shown = rest.removesuffix("\r\n").split("\r")
    assert len(shown) > 2 and max(map(len, shown)) == columns - 1
    assert shown[-1].startswith("  done in ")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ERROR: No matching distribution for rich~=99.0", ": No matching distribution for rich~=99.0, run"),
        ("ERROR: no versions of rich (from versions: none)", "it reached no package index: check the netw"),
        ("OSError: [Errno 28] No space left on device", "no room is left in"),
        ("ERROR: \udcff is not UTF-8", "is not UTF-8"),
        ("Killed", "Killed, run again"),
    ],
)
def test_pip_fails(line: str, told: str, pip) -> None:
    pip(COLLECTING, code=1)
    program = bootstrap.PYTHON.read_text().replace("sys.exit", f"os.write(1, {os.fsencode(line)})\nsys.exit")
    bootstrap.PYTHON.write_text(program)
    with pytest.raises(ToolError, match="pip could not install") as caught:
        bootstrap.install()
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("then", "told"),
    [("time.sleep(600)", "took over 1 s"), ("os.close(1), os.close(2), time.sleep(600)", "does not end")],
)
def test_pip_hangs(then: str, told: str, pip, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is up, though it says nothing; it does not go on in the background."""
    monkeypatch.setattr(bootstrap, "PIP_LIMIT_S", 1 if "took" in told else 60)
    monkeypatch.setattr(bootstrap, "END_LIMIT_S", 1)
    started: list = []
    popen = bootstrap.subprocess.Popen

    def start(*command, **options):
        started.append(popen(*command, **options))
        return started[0]

    monkeypatch.setattr(bootstrap.subprocess, "Popen", start)
    pip(COLLECTING, then=then)
    with pytest.raises(ToolError, match=told):
        bootstrap.install()
    assert started[0].returncode
