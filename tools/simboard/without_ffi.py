"""Starts the unix MicroPython of the wheel micropython_unix, which has no `ffi`, and does for it what a
simulated board asks of its host. The board's side stands in onboard/memory.py.

usage: without_ffi.py [FOLDER OF THE WHEEL] [arguments of MicroPython]   Every *.bin of a folder among them is
mapped into memory.

The interpreter runs in a child. A page that both see says how it is to end and when the watchdog bites; this
process ends in the same way. Linux only, as the wheel.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import signal
import struct
import sys
import time
from pathlib import Path

ADDRESSES = "OTA_HOST_ADDRESSES"  # of the page and of each mapped file: "=ADDRESS:PATH=ADDRESS:..."
# Words of the page: exit code + 1; how many alarms were set; seconds of the last one; pause before the end.
LOOK_S = 0.005
PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    page = mmap.mmap(-1, mmap.PAGESIZE)
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os._exit(interpret(page, arguments))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(child, number))
    return end_as(watch(child, page))


def interpret(page: mmap.mmap, arguments: list[str]) -> int:
    if arguments and (Path(arguments[0]) / "micropython_unix.py").is_file():
        sys.path.insert(0, arguments.pop(0))
    import micropython_run

    maps = {"": page} | {str(path): open_map(path) for path in files(arguments)}
    os.environ[ADDRESSES] = ":".join(f"{path}={address(memory)}" for path, memory in maps.items())
    return micropython_run.run_main(["micropython", *arguments])


def files(arguments: list[str]) -> list[Path]:
    folders = [Path(text) for text in arguments if text.startswith("/") and Path(text).is_dir()]
    return [path for folder in folders for path in folder.glob("*.bin")]


def open_map(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def watch(child: int, page: mmap.mmap) -> int:
    """Until the child has ended: its exit code, negative for a signal."""
    alarms, deadline = 0, float("inf")
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        end, count, seconds, sleep_ms = struct.unpack_from("<IIII", page)
        if count != alarms:
            alarms, deadline = count, time.monotonic() + seconds if seconds else float("inf")
        is_late = time.monotonic() > deadline
        if end or is_late:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            time.sleep(sleep_ms / 1000 if end else 0)
            return end - 1 if end else -signal.SIGALRM
        time.sleep(LOOK_S)


def end_as(code: int) -> int:
    if code < 0:
        if -code != signal.SIGKILL:  # whose action cannot be set
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
