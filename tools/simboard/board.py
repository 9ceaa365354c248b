"""The host's side of a simulated board: powers it, turns its switches, reads its console and flash.

A board is a folder: board.json (facts), flash.bin, shared_memory.bin (counters, switches), fs/ (its files).
"""

from __future__ import annotations

import json
import mmap
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tools.errors import ToolError
from tools.image import firmware
from tools.programs import runtimes

HERE = Path(__file__).resolve().parent
ONBOARD, MICROPYTHON, CPYTHON = HERE / "onboard", HERE / "micropython", HERE / "cpython"
FACTS = "board.json"  # in the folder of a board; onboard/facts.py reads it
BLOCK = 4096
HANG_S = 300  # ends a wait for what never comes, on the slowest machine
TABLE_ADDRESS, SHARED_WORDS = 0x8000, 16 + 4096
# Of the words in onboard/sharedmemory.py.
WIFI_OFF_WORD, OPERATIONS_WORD, READS_WORD, RESET_CAUSE_WORD, WEAR_WORD = 0, 5, 6, 7, 16
PWRON, HARD, WDT, DEEPSLEEP = 1, 2, 3, 4  # reset causes of onboard/machine.py
PANIC_EXIT, BRICKED_EXIT, POWER_CUT_EXIT = 43, 44, 45
# Exit codes after which it boots again: machine.reset(), panic, watchdog, planned power cut, deep sleep.
RESET_CAUSES = {42: HARD, PANIC_EXIT: HARD, -signal.SIGALRM: WDT, POWER_CUT_EXIT: PWRON, 46: DEEPSLEEP}
CRASH_EXIT = -signal.SIGSEGV


class SimBoard:
    """One board. `power_on()` runs it in the background until it is stopped, bricked or crashed."""

    def __init__(self, folder: Path) -> None:
        if not (folder / FACTS).is_file():
            raise ToolError(f"{folder} is not a board: see `python3 -m tools simboard --help`")
        self.folder = folder.resolve()
        if (self.folder / "panel.bin").exists():  # its name in folders that are older
            (self.folder / "panel.bin").rename(self.folder / "shared_memory.bin")
        self.facts = json.loads((folder / FACTS).read_bytes())
        self.lines: list[str] = []
        self.boots = 0
        self.cuts = 0  # planned ones, see inject()
        self.ended: str | None = None  # why it stopped by itself
        self.on_line: Callable[[str], None] = lambda line: None
        self._changed = threading.Condition()
        self._process: subprocess.Popen | None = None
        self._stdin = subprocess.DEVNULL
        self._thread: threading.Thread | None = None
        self._powered = False

    # Power

    def power_on(self) -> None:
        self._write_host_paths()
        self._powered = True
        self.ended = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut_power(self) -> None:
        """SIGKILL, and it stays off."""
        self._powered = False
        if self._process:
            self._process.kill()
        if self._thread:
            self._thread.join(HANG_S)

    def __enter__(self) -> SimBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut_power()

    def _run(self) -> None:
        cause = PWRON
        while self._powered:
            self._write_word(RESET_CAUSE_WORD, cause)
            code = self._boot_once()
            if code == CRASH_EXIT and self.facts.get("faults"):
                # An error of the flash inside LittleFS, which MicroPython raises through its C code, can
                # crash the interpreter: a real board panics then.
                code = PANIC_EXIT
            if code == POWER_CUT_EXIT:
                self.cuts += 1
                self._take_line("board: planned power cut")
            cause = RESET_CAUSES.get(code, PWRON)
            if code not in RESET_CAUSES and self._powered:
                self._end("bricked" if code == BRICKED_EXIT else f"crashed (exit {code})")

    def _boot_once(self) -> int:
        self.boots += 1
        self._process = subprocess.Popen(
            self._command("start.py"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=self._stdin, env=self._environment(), start_new_session=True,  # the host's ^C is not for it
        )  # fmt: skip
        if not self._powered:  # cut_power() came before there was a process
            self._process.kill()
        assert self._process.stdout
        self._listen(self._process.stdout)
        return self._process.wait()

    def _listen(self, console: IO[bytes]) -> None:
        for line in console:
            self._take_line(line.decode(errors="replace").rstrip("\n"))

    def _end(self, why: str) -> None:
        self._powered = False
        self.ended = why
        self._take_line(f"board: {why}")

    # Console

    def _take_line(self, line: str) -> None:
        line = firmware.short_names().restore(line)
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()
        self.on_line(line)

    def wait_for(self, text: str, timeout_s: float = HANG_S, start: int = 0) -> str:
        """The first console line from `start` on with text in it. Raises TimeoutError with the last lines."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for line in self.lines[start:]:
                    if text in line:
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or (self.ended and not self._powered):
                    tail = "\n".join(self.lines[-25:])
                    raise TimeoutError(f"no {text!r} on the console; it ends with\n{tail}")
                self._changed.wait(min(left, 0.5))

    # Surroundings

    def use_ntp(self, host: str | None, port: int) -> None:
        """Where its NTP questions go; host None: to whom its configuration names."""
        self.facts |= {"ntp_host": host, "ntp_port": port}

    def wifi(self, on: bool) -> None:
        """Switch the air on or off, also while the board runs."""
        self._write_word(WIFI_OFF_WORD, 0 if on else 1)

    def inject(self, faults: list, wifi_drops: list | tuple = ()) -> None:
        """From the next power_on() on. faults: [number of the flash operation, kind, argument], see
        onboard/faults.py; wifi_drops: [start_ms, length_ms] after each boot."""
        self.facts |= {"faults": faults, "wifi_drops": list(wifi_drops)}

    # Inside

    def operations(self) -> int:
        """Erases and writes of the flash so far: the number of the next one."""
        return self.counter(OPERATIONS_WORD)

    def reads(self) -> int:
        return self.counter(READS_WORD)

    def counter(self, word: int) -> int:
        with (self.folder / "shared_memory.bin").open("rb") as file:
            file.seek(4 * word)
            return struct.unpack("<I", file.read(4))[0]

    def wear(self, label: str) -> list[int]:
        """Erase count of each block of a partition."""
        start, size = self.partition(label)
        first = WEAR_WORD + start // BLOCK
        return [self.counter(first + index) for index in range(size // BLOCK)]

    def partition(self, label: str) -> tuple[int, int]:
        """(address, size) from the partition table."""
        table = self.flash(TABLE_ADDRESS, 0xC00)
        for position in range(0, len(table), 32):
            magic, _, _, start, size, name, _ = struct.unpack_from("<HBBII16sI", table, position)
            if magic == 0x50AA and name.rstrip(b"\0").decode() == label:
                return start, size
        raise ToolError(f"the board has no partition {label}")

    def slot(self, label: str, size: int | None = None) -> bytes:
        start, whole = self.partition(label)
        return self.flash(start, whole if size is None else size)

    def flash(self, start: int, size: int) -> bytes:
        with (self.folder / "flash.bin").open("rb") as file:
            file.seek(start)
            return file.read(size)

    def state(self) -> dict:
        """The device's own record, as its file system holds it. Only while the power is off."""
        if self.facts["runtime"] == "cpython":
            return json.loads((self.folder / "fs" / "ota_state.json").read_bytes())
        output = self._run_tool("provision.py", "ota_state.json")
        return json.loads(output[output.index("{") :])

    def provision(self, *again: str) -> None:
        """Copy fs/ to the board's own file system; ("again", name): that file, and the others stay."""
        self._write_host_paths()
        if self.facts["runtime"] != "cpython":
            self._run_tool("provision.py", *again)

    def _write_host_paths(self) -> None:
        paths = {"sim": ONBOARD, "shadow": MICROPYTHON}
        if self.facts.get("umqtt", True):
            paths["frozen"] = runtimes.umqtt()
        self.facts["command"] = self._command("start.py")  # where this machine keeps what a board has
        self.facts["host_paths"] = {name: str(path) for name, path in paths.items()}  # in its firmware
        (self.folder / FACTS).write_bytes(json.dumps(self.facts, ensure_ascii=False).encode())

    def _write_word(self, word: int, value: int) -> None:
        with (self.folder / "shared_memory.bin").open("r+b") as file:
            memory = mmap.mmap(file.fileno(), 0)
            struct.pack_into("<I", memory, 4 * word, value)
            memory.close()

    def _command(self, script: str, *arguments: str) -> list[str]:
        runtime = self.facts["runtime"]
        command = runtimes.interpreter(runtime)
        if runtime == "cpython":
            command = [*command, "-u", "-B"]
        else:
            command = [*command, "-X", f"heapsize={self.facts['heap_kib']}K"]
        return [*command, str(ONBOARD / script), str(self.folder), *arguments]

    def _environment(self) -> dict[str, str]:
        umqtt = str(runtimes.umqtt())
        if self.facts["runtime"] == "cpython":
            paths = [CPYTHON, ONBOARD, umqtt]
            return {"PYTHONPATH": ":".join(map(str, paths)), "PATH": "/usr/bin:/bin"}
        return {"MICROPYPATH": f"{ONBOARD}:{MICROPYTHON}:{umqtt}:.frozen"}

    def _run_tool(self, script: str, *arguments: str) -> str:
        command = self._command(script, *arguments)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=HANG_S, env=self._environment()
            )
        except subprocess.TimeoutExpired:
            raise ToolError(f"{script} did not end within {HANG_S} s") from None
        if done.returncode:
            print(done.stdout + done.stderr, file=sys.stderr)
            raise ToolError(f"{script} failed on the simulated board, see above")
        return done.stdout
