"""Put the device package, boot.py, main.py, configuration and certificates on a board.

Only what has changed is sent, checked by its SHA-256 and moved to its place when all of it is there; a copy
that fails leaves the board as it was. A boot.py or main.py of your own is kept. Without --config and --certs
those on the board stay. Then the board starts anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from tools.cli import configfile
from tools.cli.console import clean
from tools.errors import ToolError
from tools.image import firmware, versions
from tools.realboard import payload, ports
from tools.realboard.deployment import HOME, Deployment, Result
from tools.realboard.examination import tried
from tools.realboard.payload import Payload
from tools.realboard.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "port", metavar="PORT", nargs="?", help="e.g. /dev/ttyUSB0 (default: the only board on USB)"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="goes to ota.json")
    parser.add_argument("--certs", type=Path, metavar="DIR", help="keys/devices/<MAC>, goes to certs/")
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those that `provision` has too."""
    parser.add_argument("--app", type=Path, metavar="DIR", help="your application: modules, main.py, data")
    parser.add_argument("--source", action="store_true", help="send .py files instead of .mpy")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a boot.py and a main.py of your own on the board"
    )
    parser.add_argument(
        "--version", type=versions.check, metavar="V", help="of the firmware on the board, if you flashed it "
        "by cable: it takes nothing older from then on (without: it reports 0.0.0 until its first update)"
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    console = Console(highlight=False)
    settings: dict[str, bytes] = {}
    if args.certs:
        settings |= payload.certificates(args.certs)
    if args.config:
        config = configfile.read(args.config)
        configfile.check(config, args.config)
        settings[payload.CONFIG] = configfile.dump(config)
    check_application(args)
    with Session(ports.choose(args.port)) as board:
        result = deploy(board, settings, args, console)
    show(result, console)
    return 0


def check_application(args: argparse.Namespace) -> None:
    """Before a board is touched. Raises ToolError."""
    if args.app:
        payload.application(args.app, args.source)


def deploy(board: Session, settings: dict[str, bytes], args: argparse.Namespace, console: Console) -> Result:
    """settings: certificates and configuration by their paths on the board."""
    with _progress_bar(console) as bar:
        task = bar.add_task("looking at the board", total=None)
        deployment = Deployment(board, lambda done, total: bar.update(
            task, description="copying", completed=done, total=total
        ))  # fmt: skip
        result = deployment.put(_payload(board, deployment, settings, args))
        bar.update(task, visible=False)
    if args.version:
        board.load("running_version")
        result.min_version = board.call("set_running_version", args.version)
    if payload.CONFIG in settings:
        _check_config(board)
    return result


def _check_config(board: Session) -> None:
    """By the package itself, which has the checks."""
    board.load("network_check")
    answer = tried(board, "check_config")
    if "ok" not in answer:
        detail = answer["detail"]
        raise ToolError(f"all is on the board, but its agent will not start: {detail}; correct that")


def _config(board: Session, settings: dict[str, bytes]) -> dict | None:
    """With which the board will start; None if that is still open."""
    if payload.CONFIG in settings:
        return configfile.parse(settings[payload.CONFIG].decode())
    board.load("facts")
    return configfile.parse(board.call("read_text", payload.CONFIG))


def _payload(
    board: Session, deployment: Deployment, settings: dict[str, bytes], args: argparse.Namespace
) -> Payload:
    """In the order in which it takes its place: what starts the rest comes last."""
    if not args.source:
        deployment.check_mpy()
    wanted = Payload()
    if not deployment.has_package_built_in():
        wanted.package = payload.package(args.source, _config(board, settings))
    if not deployment.has_umqtt():
        wanted.files |= payload.umqtt(args.source)
    application = payload.application(args.app, args.source) if args.app else {}
    own = {name: application.pop(name) for name in firmware.STARTERS if name in application}
    for path in [path for path in application if path.startswith(HOME + "/")]:  # a port's own board module
        content = application.pop(path)
        if wanted.package:
            wanted.package[path.removeprefix(HOME + "/")] = content
    wanted.files |= application | settings | deployment.choose_starters(args.overwrite, own) | own
    return wanted


def show(result: Result, console: Console) -> None:
    for path in result.kept:
        does = "start the agent" if path == "main.py" else "guard images on trial"
        console.print(f"kept your own {path}. It must {does} (device/APPLICATION.md), or give --overwrite.")
    if result.built_in:
        console.print("The firmware holds the package itself, which comes first: it was not sent.")
    if result.min_version:
        console.print(f"It takes nothing older than {escape(clean(result.min_version))} from now on.")
    print(f"{len(result.sent)} files sent, {len(result.unchanged)} were there; the board starts anew")


def _progress_bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(40), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
