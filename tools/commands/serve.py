"""Run the OTA server: broker, files, page, and the answers to boards.

FOLDER is the server's memory: devices, pushes and images live there from run to run. `push` and `devices`
look into it. Ctrl-C ends the server; boards that come meanwhile find what was meant for them when it is back.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import os
import pwd
import resource
import sqlite3
import sys
import time
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from device import errors, strict
from tools.cli import console, interrupts, options
from tools.cli.console import clean
from tools.errors import ToolError
from tools.programs import cache, runtimes
from tools.server import pages, tables
from tools.server.service import Service
from tools.server.settings import Settings

LINES = 8  # of the log below the table
OTHER_LINES = LINES + 4  # with the table's head, a push, and the note that there are more devices
MAX_FILES = 1 << 20
MONTH_S = 30 * 86400
FILES_OF_OURS = 64  # of the broker's: listeners, log, sessions
REFRESH_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the memory; made if it is new")
    parser.add_argument(
        "--keys", type=Path, required=True, metavar="DIR", help="keys/server, made by `keys keys`"
    )
    parser.add_argument(
        "--address", default="127.0.0.1", help="to listen on, 0.0.0.0 = everywhere (%(default)s)"
    )
    parser.add_argument(
        "--name", metavar="HOST", help="how boards call this machine (default: localhost, or the address)"
    )
    parser.add_argument(
        "--mqtt-port", type=options.any_port, default=8883, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--servers-port", type=options.any_port, default=8884, metavar="N",
        help="the broker's, for servers of this machine (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--https-port", type=options.any_port, default=8443, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--http-port", type=options.any_port, default=8080, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--broker", metavar="URL",
        help="mqtts://HOST:PORT of a broker that runs, e.g. the port for servers of another `serve`",
    )
    parser.add_argument(
        "--files-url", metavar="URL", help="where boards find what is in FOLDER/images, if not here"
    )
    parser.add_argument(
        "--prefix", type=options.prefix, default="wm_iot", help="first part of every topic (%(default)s)"
    )
    parser.add_argument("--plain", action="store_true", help="a log instead of the live table")


def run(args: argparse.Namespace) -> int:
    settings = _settings(args)
    files = _allow_many_files()
    screen = Console(highlight=False)
    shown = Shown(screen, live=screen.is_terminal and not args.plain)
    try:
        asyncio.run(_serve(settings, shown, files))
    except asyncio.CancelledError:
        return interrupts.EXIT_CODE
    return 0


async def _serve(settings: Settings, shown: Shown, files: int) -> None:
    task = asyncio.current_task()
    assert task
    for number in interrupts.SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, _end, task)
    async with Service(settings, shown.log) as service:
        shown.begin(service, files)
        showing = asyncio.create_task(shown.refresh(service))
        try:
            await service.run()
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
            shown.say("stopped")


def _end(task: asyncio.Task) -> None:
    interrupts.begin_to_end()
    task.cancel()


class Shown:
    """What the terminal shows: a table that changes and the last lines of the log, or the log alone."""

    def __init__(self, screen: Console, live: bool) -> None:
        self._screen = screen
        self._live = live
        self._head: list[str] = []
        self._lines: collections.deque[str] = collections.deque(maxlen=LINES)

    def begin(self, service: Service, files: int) -> None:
        """files: that mosquitto may have open."""
        settings, port = service.settings, service.web.https_port
        broker = "mqtts://{}:{}".format(*service.boards_address or service.address)
        servers = ", for servers mqtts://{}:{}".format(*service.address) if service.boards_address else ""
        self.say(f"serving {settings.folder} as {service.identity}, broker {broker}{servers}")
        self.say(f"images {' and '.join(service.bases.values())}")
        self.say(f"page https://{settings.name}:{port}/#{service.web.token}")
        if service.broker:
            user = service.broker.user.pw_name if service.broker.user else pwd.getpwuid(os.geteuid()).pw_name
            room = files - FILES_OF_OURS
            self.say(f"room for {room:,} boards at once (open files: {files:,}); mosquitto runs as {user}")

            for note in notes_on_mosquitto(runtimes.mosquitto()):
                self.say(note)

    def say(self, text: str) -> None:
        self._head.append(text)
        self._screen.print(Text(text), soft_wrap=True)

    def log(self, mac: str, text: str) -> None:
        line = clean(f"{time.strftime('%H:%M:%S')} {mac or 'server':<12} {text}")
        self._lines.append(line)
        if not self._live:
            _write(line)

    async def refresh(self, service: Service) -> None:
        if not self._live:
            return
        with Live(console=self._screen, auto_refresh=False, transient=True) as live:
            while True:
                with contextlib.suppress(sqlite3.OperationalError):  # told by the service
                    shown = pages.recent(service.store, max(tables.FEWEST, self._screen.height - OTHER_LINES))
                    log = Text("\n".join(self._lines), "dim")
                    live.update(Group(tables.fitting(shown, self._screen, LINES), log), refresh=True)
                await asyncio.sleep(REFRESH_S)


def notes_on_mosquitto(argv: list[str]) -> list[str]:
    """On one that was fetched, as long ago that it may lack security updates."""
    path = Path(argv[-1])
    folder = next((parent for parent in path.parents if parent.parent == cache.CACHE), None)
    if folder is None or time.time() - folder.stat().st_mtime < MONTH_S:
        return []
    days = int((time.time() - folder.stat().st_mtime) / 86400)
    return [f"mosquitto was fetched {days} days ago: install your system's, or delete {folder} for a new one"]


def _write(line: str) -> None:
    """A log that cannot be written, because its disk is full or nobody reads it any more, costs its lines."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), f"{line}\n".encode(sys.stdout.encoding, console.ERRORS))


def _settings(args: argparse.Namespace) -> Settings:
    wildcard = args.address in ("0.0.0.0", "::")
    if wildcard and not args.name:
        raise ToolError(f"--address {args.address} needs --name: by what name do boards reach this machine?")
    local = args.address == "127.0.0.1"
    return Settings(
        args.folder, args.keys, args.address, args.name or ("localhost" if local else args.address),
        args.mqtt_port, args.https_port, args.http_port,
        _broker(args.broker) if args.broker else None, args.files_url, args.prefix, args.servers_port,
    )  # fmt: skip


def _broker(url: str) -> tuple[str, int]:
    try:
        _, host, port, text, start = strict.split_url(url, "mqtts")
    except errors.OtaError:
        text, start = url, 0
    if text[start:] not in ("", "/"):
        raise ToolError(f"{url!r} is not a broker: give mqtts://HOST:PORT")
    return host, port


def _allow_many_files() -> int:
    """The broker, a child, needs one for each board. Returns how many it may have."""
    now, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(highest, MAX_FILES) if highest > 0 else MAX_FILES
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, highest))
        return wanted
    return now
