"""The server's page, section "Run it", word for word, in a copy of this project as a new user has it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import steps

from tools.programs import cache
from tools.server.broker import free_port

PAGE = (cache.REPO / "tools" / "server" / "README.md").read_text()
SECTION = PAGE.split("\n## Run it\n", 1)[1].split("\n## ", 1)[0]
BLOCKS = re.findall(r"```\n(.*?)```", SECTION, re.DOTALL)
LIMIT_S = steps.PATIENCE_S
SLICE_S = 0.01


def terminals() -> list[str]:
    """What is typed into each. Only ports differ, because another program may have those of the page."""
    ports = {name: str(free_port()) for name in ("mqtt", "servers", "https", "http")}
    text = BLOCKS[0].replace(":8883", f":{ports['mqtt']}")
    options = " ".join(f"--{name}-port {port}" for name, port in ports.items())
    text = text.replace("serve server --keys keys/server", f"serve server --keys keys/server {options}")
    return re.split(r"^# terminal \d.*\n", text, flags=re.MULTILINE)[1:]


class Terminal:
    """A shell in the copy, and what it shows."""

    def __init__(self, folder: Path, text: str, typed: bytes = b"") -> None:
        self.path = folder.parent / f"terminal-{len(list(folder.parent.glob('terminal-*')))}"
        environment = {**os.environ, "PATH": f"{folder.parent / 'bin'}:{os.environ['PATH']}"}
        given = self.path.with_suffix(".typed")
        given.write_bytes(typed)
        with self.path.open("wb") as output, given.open("rb") as answers:
            self.process = subprocess.Popen(
                ["bash", "-ec", text], cwd=folder, env=environment, stdin=answers, stdout=output,
                stderr=output, start_new_session=True,
            )  # fmt: skip

    def shown(self) -> str:
        return self.path.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        steps.until(lambda: text in self.shown() or self.process.poll() is not None, text, LIMIT_S)
        assert text in self.shown(), self.shown()

    def ctrl_c(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(LIMIT_S)

    def end(self) -> tuple[int, str]:
        """Its exit code and all that it showed."""
        return self.process.wait(LIMIT_S), self.shown()


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """The project's files without what is ignored; python3 is the one that runs this test."""
    command = ["git", "-C", str(cache.REPO), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split("\0")
    for name in filter(None, names):
        if (cache.REPO / name).is_file():
            target = tmp_path / "clone" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(cache.REPO / name, target)
    (tmp_path / "clone" / ".cache").symlink_to(cache.CACHE)
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python3"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    yield tmp_path / "clone"
    shutil.rmtree(tmp_path, ignore_errors=True)


def words(text: str) -> list[str]:
    return text.split()


def test_word_for_word_and_then_with_a_board_that_is_killed(clone: Path) -> None:
    first, second, third = terminals()
    opened = []
    try:
        server = Terminal(clone, first)
        opened.append(server)
        server.wait_for("ota-server: connected")
        board = Terminal(clone, second)
        opened.append(board)
        board.wait_for('"type": "INIT", "version": "1.0.0"')
        code, shown = Terminal(clone, third).end()
        assert code == 0, shown
        assert words(shown)[-len(words(BLOCKS[1])) :] == words(BLOCKS[1])
        _update_a_board_that_is_killed(clone, third, board, opened)
    finally:
        for terminal in reversed(opened):
            terminal.ctrl_c()
    assert server.shown().rstrip().endswith("stopped")


def _run_in_slices(clone: Path, is_there: Callable[[], object]) -> None:
    """Lets the board run for moments until it has shown something, and leaves it stopped there."""
    pid = _interpreter(clone)
    deadline = time.monotonic() + LIMIT_S
    while not is_there():
        assert time.monotonic() < deadline
        for number in (signal.SIGCONT, signal.SIGSTOP):
            os.kill(pid, number)
            time.sleep(SLICE_S)


def _interpreter(clone: Path) -> int:
    """The process that runs the board's MicroPython."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            words = path.read_bytes().decode(errors="replace").split("\0")
            if f"{clone}/myboard" in words and any(word.endswith("/start.py") for word in words):
                return int(path.parent.name)
    raise AssertionError("the board does not run")


def _update_a_board_that_is_killed(clone: Path, third: str, board: Terminal, opened: list[Terminal]) -> None:
    """Once more, with an image that takes a moment to fetch."""
    (clone / "app").mkdir()
    (clone / "app" / "noise").write_bytes(random.Random(2).randbytes(1_300_000))
    text = third.replace("1.0.1", "1.0.2").replace("lamp.", "new.")
    before = len(board.shown())
    pushing = Terminal(clone, text.replace("--board lamp", "--board lamp --app app"))
    opened.append(pushing)
    _run_in_slices(clone, lambda: re.search("OTA progress:4-[1-9]", board.shown()[before:]))
    board.ctrl_c()
    state = json.loads(Terminal(clone, "python3 -m tools devices server --json").end()[1])["devices"][0]
    assert (state["version"], state["state"]) == ("1.0.1", "downloading")
    assert pushing.process.poll() is None
    again = Terminal(clone, "python3 -m tools simboard myboard")
    opened.append(again)
    code, shown = pushing.end()
    assert code == 0 and "push 2, 1.0.2 to 1 device: done; 1 confirmed" in shown, shown
    assert "confirmed 1.0.2" in again.shown() and "OTA progress:4-0%" not in again.shown()
