"""The bench's site: real broker and file server, and a board with shims so thin that they hardly count.

The simulated board of tools/simboard is as unkind as a real one, which costs memory and instructions that no
board spends. Here a partition is a file, Wi-Fi is always there; time, sockets and TLS are MicroPython's own.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.boardcode import BoardCode
from tools.cli.console import last_words
from tools.errors import ToolError
from tools.image import images
from tools.testbed.testbed import BOARD, Testbed

IMAGE_SIZE = 1306707
SLOT_SIZE = 0x400000
HEAP = 192 * 1024  # bytes, where the line is not about the heap
RESET_EXIT = 42
LIMIT_S = 120
TAKE_S = 0.5
NEW = "1.0.1"
BUILD_TIME = "Jan 05 2026 01:02:03"
CONFIG = {"check_interval_s": 0, "backoff_max_s": 1, "retry_window_s": 5}


def make_image(size: int) -> bytes:
    """A valid image of exactly that many bytes, the same each time."""
    filler = random.Random(size).randbytes(size)
    blanks = (size - len(_image(b"", 0))) % 16  # images proper grow by 16 bytes
    body = size - len(_image(b"", blanks))
    image = _image(filler[:body], blanks)
    if len(image) != size:
        raise ValueError(f"no image has {size} bytes")
    return image


def _image(body: bytes, blanks: int) -> bytes:
    return images.add_trailer(images.esp32_image(body, NEW), NEW, BOARD, BUILD_TIME + " " * blanks)


@dataclass
class Run:
    """One process of the board. code: its exit code, None if it was stopped."""

    process: subprocess.Popen
    lines: list[str] = field(default_factory=list)

    def follow(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def has_failed(self) -> bool:
        """Did it say that something went wrong, or die? A reset is not a failure."""
        if self.process.poll() not in (None, RESET_EXIT):
            return True
        return any(line.startswith("E/ota") or "MemoryError" in line for line in list(self.lines))

    def failure(self, what: str) -> ToolError:
        return ToolError(f"{what}: " + last_words("\n".join(self.lines[-5:])))


class Site:
    """`with Site(folder) as site:` has the servers up and a board that is off.

    table: does the board have the table of the signing key? proxies: as for Testbed.
    """

    def __init__(self, folder: Path, *, table: bool = True, proxies: bool = False) -> None:
        self.folder = folder
        self.board_code = BoardCode(folder / "code")
        self.board = folder / "thin"
        self.testbed = Testbed(folder / "testbed", proxies=proxies, config=CONFIG, slot_size=0x20000)
        self._table = table
        self._stack = contextlib.ExitStack()
        self._old_image = self.image = b""

    def __enter__(self) -> Site:
        self._stack.enter_context(self.testbed)
        self._old_image = self.testbed.build("1.0.0")
        self.offer_image(IMAGE_SIZE)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def offer_image(self, size: int, transport: str = "https") -> None:
        """From now on updates are to an image of this size."""
        self.image = make_image(size)
        self.offer = self.testbed.offer(self.image, NEW, transport)

    @contextlib.contextmanager
    def long_url(self, length: int) -> Iterator[None]:
        """The URL that is offered has so many characters: a token follows."""
        url = self.offer["https_url"]
        self.offer["https_url"] = f"{url}?token=".ljust(length, "a")
        yield
        self.offer["https_url"] = url

    def new_board(self, place: str) -> None:
        """A board that never had an update; place: of boardcode.py."""
        shutil.rmtree(self.board, ignore_errors=True)
        shutil.copytree(self.testbed.folder / "board" / "fs", self.board)
        if not self._table:
            for path in self.board.glob("certs/*.tab"):
                path.unlink()
        self.board_code.lay_out(self.board, place)
        (self.board / "ota_0").write_bytes(self._old_image)
        (self.board / "ota_1").write_bytes(b"\xff" * SLOT_SIZE)
        (self.board / "otadata").write_bytes(b"\xff" * 8192)

    @contextlib.contextmanager
    def running(self, command: list[str]) -> Iterator[Run]:
        """A process of the board, stopped at the end."""
        process = subprocess.Popen(
            command, cwd=self.board, env=self.board_code.environment, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        run = Run(process)
        follower = threading.Thread(target=run.follow, daemon=True)
        follower.start()
        try:
            yield run
        finally:
            process.kill()
            process.wait()
            follower.join(10)

    def heard(self, since: int, kind: str) -> bool:
        """Has the broker a report of this kind ("INIT", "UPDATE", "errorCode"), from message `since` on?"""
        messages = self.testbed.operator.messages[since:]
        return any(kind in message.data or message.data.get("type") == kind for message in messages)

    def download(self, command: list[str], limit_s: float = LIMIT_S) -> Run:
        """The first half of an update: from power on to the restart, or until something fails."""
        since = len(self.testbed.operator.messages)
        with self.running(command) as run:
            wait(lambda: run.has_failed or self.heard(since, "INIT"), limit_s)
            self.testbed.push(self.offer)
            wait(lambda: run.has_failed or run.process.poll() is not None, limit_s)
        return run

    def update(self, heap: int, place: str) -> str:
        """A whole update of a new board with this heap (bytes): "" or what went wrong."""
        problem = self._update(heap, place)
        if problem:
            self._take_messages(place)
        return problem

    def _take_messages(self, place: str) -> None:
        """What the broker holds for a board that was stopped in the middle would disturb the next one."""
        self.new_board(place)
        since = len(self.testbed.operator.messages)
        with self.running(self.board_code.command(HEAP, place, "client")) as run:
            wait(lambda: run.has_failed or self.heard(since, "INIT"), 20)
            wait(lambda: run.has_failed, TAKE_S)

    def _update(self, heap: int, place: str) -> str:
        self.new_board(place)
        command = self.board_code.command(heap, place, "client")
        run = self.download(command, 20)
        if run.process.returncode != RESET_EXIT or run.has_failed:
            return "\n".join(run.lines[-3:]) or f"exit {run.process.returncode}"
        if (self.board / "ota_1").read_bytes()[: len(self.image)] != self.image:
            return "another image in the slot"
        since = len(self.testbed.operator.messages)
        with self.running(command) as run:
            wait(lambda: run.has_failed or self.heard(since, "UPDATE"), 20)
            if run.has_failed or not self.heard(since, "UPDATE"):
                return "\n".join(run.lines[-3:])
        return ""


def wait(condition: Callable[[], object], limit_s: float) -> bool:
    """Until the condition holds; False if it does not in time."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
