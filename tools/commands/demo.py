"""Watch a simulated board update itself: real MicroPython, real mosquitto, real TLS, all on loopback.

Makes keys, starts a broker with mutual TLS, a file server and an NTP server, boots a board with
version 1.0.0, offers it 1.0.1 and follows it until it reports the new version.

With --image it offers FILE instead, and ends in a verdict: refused (with the code), installed and confirmed,
or rolled back, because the image does not run. Machine code, of an ESP32 say, this board cannot execute: such
an image is checked, installed, booted, and rolled back after three boots.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from device import errors
from tools.cli.console import clean
from tools.errors import ToolError
from tools.image import imagecheck, images, versions
from tools.programs import cache, runtimes
from tools.testbed.operator import Message, is_end
from tools.testbed.testbed import MAC, Testbed

NEW = "1.0.1"
LIMIT_S = 180
LOOK_S = 1
ROOM_MB = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runtime",
        choices=runtimes.END_TO_END,
        default="mp32",
        help="what the board runs: 32-bit MicroPython (or that of Debian's next release), 64-bit, or CPython"
        " (default: mp32)",
    )
    parser.add_argument(
        "--transport", choices=("https", "http"), default="https",
        help="by what the board fetches the image (default: https)",
    )  # fmt: skip
    parser.add_argument("--poll", action="store_true", help="the board polls instead of waiting for a push")
    parser.add_argument(
        "--boot",
        choices=("idf", "w80x"),
        default="idf",
        help="boot loader: ESP-IDF's with rollback, or W80x's that installs for good (default: idf)",
    )
    parser.add_argument(
        "--image", type=Path, metavar="FILE", help="offer this firmware file instead of a new build"
    )


def run(args: argparse.Namespace) -> int:
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="ota-demo-") as folder:
        cache.require_room(ROOM_MB, "the demo", Path(folder))
        demo = Demo(args, Path(folder), console)
        return demo.play()


class Demo:
    """One performance. The console gets the board's own lines, the bar what the board reports."""

    def __init__(self, args: argparse.Namespace, folder: Path, console: Console) -> None:
        self.args = args
        self.console = console
        self.given = imagecheck.read(args.image) if args.image else None
        kind = _own_kind(args.boot)
        if self.given is not None:
            kind = imagecheck.check(self.given, args.image, None)["kind"]
        self.version = NEW if self.given is None else _version_to_offer(self.given)
        self.stands = self.given is not None and not _names_version(self.given)
        config = {"check_interval_s": 1 if args.poll else 60, "accept_unversioned": self.stands}
        if args.boot == "w80x" and self.given:
            raise ToolError("--image needs a way back: leave --boot out")
        self.testbed = Testbed(
            folder, runtime=args.runtime, image=kind, boot_mode=args.boot, config=config
        )
        self.arrived = False  # the image was seen complete in its slot

    def play(self) -> int:
        self.say("making keys and certificates, starting mosquitto, file server and NTP …")
        with self.testbed as testbed, self._progress_bar() as bar:
            task = bar.add_task("download", total=100)
            testbed.board.on_line = lambda line: self._on_line(line, bar, task)
            testbed.board.power_on()
            before = self._wait_for(lambda message: message.data.get("type") == "INIT").data["version"]
            image = self.given or testbed.build(self.version, _ballast(testbed.folder))
            self._offer(image)
            after = self._wait_for_end()
            time.sleep(0.3)  # let the board's last lines out
            testbed.board.cut_power()
        return self._sum_up(before, after, image)

    def say(self, text: str, style: str = "default") -> None:
        self.console.print("[bold cyan]demo[/]", Text(clean(text), style))

    def _wait_for(self, predicate: Callable[[Message], Any]) -> Message:
        """Raises ToolError if the board ends before, or the time."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            ended = self.testbed.board.ended
            try:
                return self.testbed.operator.wait_for(predicate, LOOK_S)
            except TimeoutError:
                if ended:
                    raise ToolError(f"the board is {ended}: it cannot boot what it has") from None
        last = self.testbed.board.lines[-1] if self.testbed.board.lines else "nothing"
        raise ToolError(f"the update did not end within {LIMIT_S} s, the board's last line: {last}")

    def _progress_bar(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(40), TextColumn("{task.percentage:.0f} %"))
        return Progress(*columns, TimeElapsedColumn(), console=self.console, transient=False)

    def _on_line(self, line: str, bar: Progress, task: object) -> None:
        found = re.search(r"OTA progress:(\d+)-(\d+)%", line)
        if found:
            bar.update(task, completed=int(found[2]))  # type: ignore[arg-type]
        if "ota reboot" in line:
            self.arrived = self._slot_holds_image()
        self.console.print(clean(line, keep="\t"), markup=False, soft_wrap=True)

    def _slot_holds_image(self) -> bool:
        label = "upgrade" if self.args.boot == "w80x" else "ota_1"
        return self.testbed.board.slot(label, len(self.image)) == self.image

    def _offer(self, image: bytes) -> None:
        self.image = image
        if self.given is not None:
            self.say(f"trying {self.args.image}: kind {self.testbed.image}, {len(image):,} bytes")
        if self.stands:
            inside = images.describe(image)["version"]
            self.say(f"the image calls itself {inside!r}, which no offer can name: this board is "
                     f"configured (accept_unversioned) to let the offer's {self.version} stand")  # fmt: skip
        offer = self.testbed.offer(image, self.version, self.args.transport)
        if self.args.poll:
            self.say(f"the server will answer the board's next `get` with {self.version}")
            self.testbed.operator.answer_get(MAC, offer)
        else:
            self.say(f"pushing the offer of {self.version}, {len(image):,} bytes")
            self.testbed.push(offer)

    def _wait_for_end(self) -> str | None:
        """The version reported after the update; None if the board rolled back."""
        message = self._wait_for(is_end)
        if message.name == "firmware/report":
            return message.data["version"]
        code = message.data["errorCode"]
        if code != errors.ROLLED_BACK:
            raise ToolError(f"the board refused the update: {code} {message.data['errorMsg']}")
        return None

    def _sum_up(self, before: str, after: str | None, image: bytes) -> int:
        sent = sum(request.sent for request in self.testbed.files.requests)
        self.say(f"version before: {before}")
        if after is None:
            self.say(f"version after:  {before} (rolled back, {errors.ROLLED_BACK} was reported)")
            self.say("the image was checked and booted, but this board cannot execute its code")
        else:
            self.say(f"version after:  {after}")
        where = "intact in the slot" if self.arrived else "NOT intact in the slot"
        self.say(f"bytes:          {len(image):,} {where}, {sent:,} sent by the server")
        expected = before if after is None else self.version
        ok = self.arrived and (after or before) == expected
        self.say("done" if ok else "failed", "bold green" if ok else "bold red")
        return 0 if ok else 1


def _ballast(folder: Path) -> Path:
    """An application with a file in it that makes the image as big as a real one."""
    app = folder / "app"
    app.mkdir()
    (app / "picture.bin").write_bytes(random.Random(1).randbytes(512 * 1024))
    return app


def _own_kind(boot: str) -> str:
    return "wm" if boot == "w80x" else "esp32"


def _names_version(image: bytes) -> bool:
    return versions.is_version(images.describe(image)["version"])


def _version_to_offer(image: bytes) -> str:
    """The image's own version, or the three numbers it starts with, or the next one."""
    inside = images.describe(image)["version"]
    if versions.is_version(inside):
        return inside
    found = re.match(r"\d{1,2}\.\d{1,2}\.\d{1,2}", inside)
    return found[0] if found and versions.is_version(found[0]) else NEW
