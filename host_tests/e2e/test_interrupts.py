"""Every command that runs on is ended at any moment by Ctrl-C, SIGTERM or a terminal that closes: soon, with
one exit code, without a traceback, and nothing is left of it: no process, no temporary file."""

from __future__ import annotations

import functools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pace
import pytest

from tools.cli import interrupts
from tools.keys import pki
from tools.programs import cache
from tools.simboard.factory import create_unprovisioned
from tools.simboard.replboard import ReplBoard
from tools.testbed.testbed import MAC, WIFI

MOMENTS = 50
LIMIT_S = 4  # of work of this test, which competes with the command for the machine: twice what it may take
BUSY_LIMIT_S = 20  # by the clock, where others compete, too
MARK = "OTA_TEST_OF_INTERRUPTS"
SIGNALS = [signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

OVER = re.compile("demo done|to cure|board starts anew|tests (passed|failed)|all survived| failed$")
# By name: what is typed, and within how many seconds of an idle machine the moment lies.
COMMANDS = {
    "demo": ("demo", 3),
    "simboard": ("simboard {new}/board --config {place}/ota.json --certs {place}/keys/devices/{mac}", 4),
    "board --repl": ("board --repl --port 0", 3),
    "serve": ("serve {new}/server --keys {place}/keys/server --mqtt-port 0 --servers-port 0"
              " --https-port 0 --http-port 0", 3),
    "doctor": ("doctor {url}", 3),
    "deploy": ("deploy {url} --source", 4),
    "provision": (
        "provision {url} --keys {new}/keys --new-fleet --wifi a password --server localhost --board lamp"
        " --source", 4,
    ),  # fmt: skip
    "torture": ("torture", 8),
    "torture --only real": ("torture --only real", 8),
    "bench": ("bench", 8),
    "test": ("test host_tests/e2e/test_update.py", 8),
}

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it looks into /proc")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """keys/ and ota.json."""
    folder = tmp_path_factory.mktemp("place")
    pki.make_all(folder / "keys", [MAC])
    config = {"wifi": [list(WIFI)], "broker": "mqtts://localhost:1", "board": "lamp"}
    (folder / "ota.json").write_text(json.dumps({**config, "ntp_hosts": ["127.0.0.1"]}))
    return folder


@pytest.fixture(scope="module")
def unprovisioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplBoard]:
    """An unprovisioned board, for the commands that talk to one."""
    folder = tmp_path_factory.mktemp("unprovisioned") / "board"
    create_unprovisioned(folder, mac=MAC, networks=dict([WIFI]))
    with ReplBoard(folder) as board:
        board.power_on()
        yield board


class Running:
    """A command in a session of its own, as in a terminal. All that belongs to it names its folder."""

    def __init__(self, words: list[str], folder: Path, ignores: bool) -> None:
        self._folder = folder
        self._output = folder / "output"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        environment = {**os.environ, MARK: str(folder), "TMPDIR": str(self.temporary)}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tools", *words], cwd=cache.REPO, env=environment, stdout=output,
                stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
                preexec_fn=_ignore_interrupts if ignores else _heed_interrupts,
            )  # fmt: skip

    def wait_ready(self) -> None:
        """Until it has begun to catch signals; before that it has no children, and the kernel ends it."""
        pace.until(lambda: self._catches(signal.SIGTERM) or self.process.poll() is not None, "a handler")

    def _catches(self, number: int) -> bool:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(text.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught >> (number - 1) & 1)

    def interrupt(self, number: int, all_of_it: bool) -> int:
        """Its exit code. all_of_it: as a terminal does it, else as `kill`."""
        (os.killpg if all_of_it else os.kill)(self.process.pid, number)
        is_busy = max(pace.slowness() for _ in range(3)) > 1
        deadline = time.monotonic() + (BUSY_LIMIT_S if is_busy else 0)
        worked_s = 0.0
        while self.process.poll() is None and (worked_s < LIMIT_S or time.monotonic() < deadline):
            worked_s += pace.work()
        code = self.process.poll()
        assert code is not None, f"it goes on:\n{self.shown()}"
        return code

    def shown(self) -> str:
        return self._output.read_text(errors="replace")

    def left(self) -> list[str]:
        """Processes of it that live."""
        return [" ".join(words) for words in map(self._words, Path("/proc").glob("[0-9]*")) if words]

    def _words(self, process: Path) -> list[str]:
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            environment = (process / "environ").read_bytes()
        except OSError:  # it has ended, or is another user's
            return []
        name = str(self._folder)
        is_ours = f"{MARK}={name}".encode() in environment or any(name in word for word in words)
        return words if is_ours and process.name != str(os.getpid()) else []

    def kill(self) -> None:
        """What a failed test leaves."""
        for process in Path("/proc").glob("[0-9]*"):
            if self._words(process):
                os.kill(int(process.name), signal.SIGKILL)
        self.process.wait()


def _ignore_interrupts() -> None:
    """As a shell starts `… &` in a script."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _heed_interrupts() -> None:
    """Also where this test was started so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run_until(delay_s: float, words: Callable[[Path], list[str]], folder: Path, ignores: bool) -> Running:
    """After about so many seconds; sooner if it would be over by then."""
    for attempt in range(9):
        running = Running(words(folder / f"{attempt}"), folder / f"{attempt}", ignores)
        running.wait_ready()
        time.sleep(delay_s * pace.slowness() / 2**attempt)
        if running.process.poll() is None:
            return running
        running.kill()
    raise AssertionError(f"it is over at once:\n{running.shown()}")


@pytest.mark.sample(130)
@pytest.mark.parametrize("moment", range(MOMENTS))
@pytest.mark.parametrize("name", COMMANDS)
def test_it_ends_and_nothing_is_left(
    name: str, moment: int, place: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(f"{name} {moment}")
    text, span_s = COMMANDS[name]
    url = request.getfixturevalue("unprovisioned").url if "{url}" in text else ""
    words = functools.partial(_words, text, place, url)
    running = _run_until(chance.uniform(0, span_s), words, tmp_path, ignores=chance.random() < 0.4)
    try:
        code = running.interrupt(chance.choice(SIGNALS), all_of_it=chance.random() < 0.5)
        if not (code in (0, 1) and OVER.search(running.shown())):  # else it was over just before
            assert code == interrupts.EXIT_CODE, running.shown()
        assert "Traceback" not in running.shown()
        assert running.left() == []
        assert list(running.temporary.iterdir()) == []
    finally:
        running.kill()


def _words(text: str, place: Path, url: str, folder: Path) -> list[str]:
    return text.format(new=folder, place=place, mac=MAC, url=url).split()


def test_a_command_that_does_not_come_to_an_end_is_ended(tmp_path: Path) -> None:
    """Its own steps at the end hang: so they are cut short, and its child and its files go as well."""
    program = tmp_path / "program.py"
    program.write_text(STUBBORN)
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(program)], stdout=output, stderr=output,
            env={**os.environ, "PYTHONPATH": str(cache.REPO), "TMPDIR": str(tmp_path)},
        )  # fmt: skip
    pace.until(lambda: "ready" in (tmp_path / "output").read_text(), "the program")
    pid = int((tmp_path / "output").read_text().split()[1])
    process.send_signal(signal.SIGINT)
    assert process.wait(pace.HANG_S) == interrupts.EXIT_CODE
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert {path.name for path in tmp_path.iterdir()} == {"program.py", "output"}


STUBBORN = """
import subprocess, tempfile, time
from tools.cli import interrupts

interrupts.ORDER_LIMIT_S = 0.5


def command(arguments):
    with interrupts.temporary_folder():
        tempfile.mkdtemp()
        child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        print("ready", child.pid, flush=True)
        while True:
            try:
                time.sleep(1000)
            except KeyboardInterrupt:
                pass


interrupts.guard(command, [])
"""
