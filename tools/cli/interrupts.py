"""Ctrl-C, SIGTERM or a closed terminal end a command: in order where that takes no time, always with all of
its children and temporary files, also where it was started with SIGINT ignored (`nohup … &`)."""

# A Python too old for the rest runs it, too: no syntax newer than 3.7.
from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

EXIT_CODE = 130
ORDER_LIMIT_S = 10  # for what the command itself does at its end
KILL_LIMIT_S = 5
SIGNALS = [signal.SIGINT, signal.SIGTERM]
_SET_CHILD_SUBREAPER = 36  # of Linux's prctl()

_temporary: list[str] = []
_is_ending = threading.Event()


class Interrupted(KeyboardInterrupt):
    """Raised once, in the main thread."""


def install() -> None:
    """From now on a signal raises Interrupted. Children do not inherit that: they have the default again."""
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN and signal.SIGHUP not in SIGNALS:
        SIGNALS.append(signal.SIGHUP)
    _react(_raise)
    sys.excepthook = _be_silent


def guard(command: Callable[[list[str]], int | str | None], arguments: list[str]) -> None:
    """Runs the command and exits with its code, as sys.exit() takes it."""
    try:
        install()
        _adopt_orphans()
        code = command(arguments)
        _react(signal.SIG_IGN)  # it is over
    except KeyboardInterrupt:
        code = EXIT_CODE
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    if code == EXIT_CODE or _is_ending.is_set():
        _leave(code or 0)  # without a wait for threads
    end_children()
    sys.exit(code)


def begin_to_end() -> None:
    """The command is to end: what it does now is bounded, and no further signal comes between."""
    _is_ending.set()
    _react(lambda *_: None)  # unlike SIG_IGN, children do not inherit that
    timer = threading.Timer(ORDER_LIMIT_S, _leave)
    timer.daemon = True
    timer.start()


@contextlib.contextmanager
def temporary_folder() -> Iterator[None]:
    """In there all temporary files of this process and its children are in one folder, which goes at the end.
    Where none can be made, its user says so."""
    before, directory = os.environ.get("TMPDIR"), tempfile.tempdir
    try:
        folder = os.path.join(tempfile.gettempdir(), "ota-" + secrets.token_hex(4))
        _temporary.append(folder)
        os.mkdir(folder, 0o700)
        os.environ["TMPDIR"] = tempfile.tempdir = folder
    except OSError:
        yield
        return
    try:
        yield
    finally:
        tempfile.tempdir = directory
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before
        if not _is_ending.is_set():  # else when nobody writes there any more
            shutil.rmtree(folder, ignore_errors=True)


def end_children() -> None:
    """Kill all descendants, whatever their session. They are stopped first, so that none is missed because it
    forks, or because its parent dies."""
    doomed: set[int] = set()
    found = _descendants()
    while found:
        for pid in found:
            _send(pid, signal.SIGSTOP)
        doomed |= found
        found = _descendants() - doomed
    for pid in doomed:
        _send(pid, signal.SIGKILL)
    deadline = time.monotonic() + KILL_LIMIT_S
    with contextlib.suppress(ChildProcessError):  # there is none any more
        while doomed and time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.005)


def _adopt_orphans() -> None:
    """Where a child is killed before it could clean up, its children become ours. Linux only."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _react(handler: Any) -> None:
    for number in SIGNALS:
        signal.signal(number, handler)


def _raise(*_: object) -> None:
    begin_to_end()
    raise Interrupted


def _be_silent(kind: type[BaseException], error: BaseException, traceback: object) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)  # type: ignore[arg-type]


def _leave(code: int = EXIT_CODE) -> None:
    """End at once, and leave nothing behind. Threads go on until the last line, but start nothing and are not
    heard."""
    sys.addaudithook(_refuse_children)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    end_children()
    for folder in _temporary:
        shutil.rmtree(folder, ignore_errors=True)
    end_children()
    os._exit(code)


def _refuse_children(event: str, arguments: tuple) -> None:
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn") and arguments[:1] != ("ps",):
        raise Interrupted


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _descendants() -> set[int]:
    """Process ids of children, their children and so on, but for those that are dead already."""
    parents = _processes()
    found: set[int] = set()
    more = {os.getpid()}
    while more:
        found |= more
        more = {pid for pid, parent in parents.items() if parent in found} - found
    return found - {os.getpid()}


def _processes() -> dict[int, int]:
    """pid: parent's pid, of all processes that live."""
    if os.path.exists("/proc/self/stat"):
        return dict(filter(None, map(_from_proc, filter(str.isdigit, os.listdir("/proc")))))
    ps = subprocess.Popen(["ps", "-A", "-o", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True)
    rows = [line.split() for line in ps.communicate(timeout=KILL_LIMIT_S)[0].splitlines()]
    return {int(pid): int(parent) for pid, parent, state in rows if state[0] != "Z" and int(pid) != ps.pid}


def _from_proc(pid: str) -> tuple[int, int] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except OSError:
        return None  # it has just ended
    return None if state in b"ZX" else (int(pid), int(parent))
