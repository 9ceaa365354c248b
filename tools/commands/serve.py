"""Run the OTA server: broker, files, page, and the answers to boards.

FOLDER is the server's memory: devices, pushes and images live there from run to run. `push` and `devices`
look into it. Ctrl-C ends the server; boards that come meanwhile find what was meant for them when it is back.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import resource
import time
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tools import interrupts, options
from tools.console import clean
from tools.errors import ToolError
from tools.server import tables, view
from tools.server.service import Service
from tools.server.settings import Settings

LINES = 8  # of the log below the table
REFRESH_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER")
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
    _allow_many_files()
    console = Console(highlight=False)
    shown = Shown(console, live=console.is_terminal and not args.plain)
    try:
        asyncio.run(_serve(settings, shown))
    except asyncio.CancelledError:
        return interrupts.EXIT_CODE
    return 0


async def _serve(settings: Settings, shown: Shown) -> None:
    task = asyncio.current_task()
    assert task
    for number in interrupts.SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, _end, task)
    async with Service(settings, shown.tell) as service:
        shown.begin(service)
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

    def __init__(self, console: Console, live: bool) -> None:
        self._console = console
        self._live = live
        self._head: list[str] = []
        self._lines: collections.deque[str] = collections.deque(maxlen=LINES)

    def begin(self, service: Service) -> None:
        settings, port = service.settings, service.web.https_port
        broker = "mqtts://{}:{}".format(*service.boards_address or service.address)
        servers = ", for servers mqtts://{}:{}".format(*service.address) if service.boards_address else ""
        self.say(f"serving {settings.folder} as {service.identity}, broker {broker}{servers}")
        self.say(f"images {' and '.join(service.bases.values())}")
        self.say(f"page https://{settings.name}:{port}/#{service.web.token}")

    def say(self, text: str) -> None:
        self._head.append(text)
        self._console.print(Text(text), soft_wrap=True)

    def tell(self, mac: str, text: str) -> None:
        line = clean(f"{time.strftime('%H:%M:%S')} {mac or 'server':<12} {text}")
        self._lines.append(line)
        if not self._live:
            print(line, flush=True)

    async def refresh(self, service: Service) -> None:
        if not self._live:
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                table = tables.fleet(view.fleet(service.store))
                live.update(Group(table, Text("\n".join(self._lines), "dim")), refresh=True)
                await asyncio.sleep(REFRESH_S)


def _settings(args: argparse.Namespace) -> Settings:
    wildcard = args.address in ("0.0.0.0", "::")
    if wildcard and not args.name:
        raise ToolError(f"--address {args.address} needs --name: by what name do boards reach this machine?")
    local = args.address == "127.0.0.1"
    return Settings(
        args.folder, args.keys, args.address, args.name or ("localhost" if local else args.address),
        args.mqtt_port, args.https_port, args.http_port,
        _broker(args.broker) if args.broker else None, _files_url(args.files_url), args.prefix,
        args.servers_port,
    )  # fmt: skip


def _broker(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        if parts.scheme == "mqtts" and parts.hostname and not parts.path.strip("/"):
            return parts.hostname, parts.port or 8883
    except ValueError:  # the port
        pass
    raise ToolError(f"{url!r} is no broker: give mqtts://HOST:PORT")


def _files_url(url: str | None) -> str | None:
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise ToolError(f"{url!r} is no place for files: give https://… or http://…")
    return url


def _allow_many_files() -> None:
    """The broker, a child, needs one for each board."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536) if most > 0 else 65536, most))

