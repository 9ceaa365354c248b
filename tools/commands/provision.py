"""Enrol an unprovisioned board: its certificate, its configuration, the package, in one go.

Reads the MAC from the board, makes this board's certificate where it is missing (and with --new-fleet the
keys of the fleet), asks for what neither the options nor an earlier ota.json say, and deploys. A board that
has been provisioned keeps all of its ota.json that is not said anew. ota.json stays beside the board's
certificates, for later.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.prompt import Confirm, Prompt

from tools.cli import configfile, options
from tools.commands import deploy
from tools.errors import ToolError
from tools.keys import devicekeys, pki
from tools.realboard import checks_board, findings, payload, ports
from tools.realboard.examination import Facts
from tools.realboard.session import Session

BROKER_PORT = 8883
PASSWORD = "OTA_WIFI_PASSWORD"
_PLACEHOLDERS = {"wifi": [["any", ""]], "broker": f"mqtts://any:{BROKER_PORT}", "board": "any"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "ports", metavar="PORT", nargs="*", help="one or several (default: the only board on USB)"
    )
    parser.add_argument(
        "--keys", type=Path, default=Path("keys"), metavar="DIR", help="as `keys` makes it (default: keys)"
    )
    parser.add_argument(
        "--new-fleet", action="store_true", help="make the keys of a new fleet if there are none in DIR"
    )
    parser.add_argument(
        "--wifi", type=str, nargs="+", action="append", metavar=("NAME", "PASSWORD"),
        help=f"may be given several times. Without PASSWORD, which others see in the list of processes: from"
        f" {PASSWORD} in the environment, or asked for (or read where the input is not a terminal)",
    )  # fmt: skip
    parser.add_argument(
        "--server", metavar="HOST[:PORT]", help=f"the broker, as boards reach it (port: {BROKER_PORT})"
    )
    parser.add_argument(
        "--board", type=options.name, metavar="NAME", help="the product: the name that images must carry"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="further keys of ota.json; the options come on top"
    )
    deploy.add_options(parser)


def run(args: argparse.Namespace) -> int:
    console = Console(highlight=False)
    given = configfile.read(args.config) if args.config else {}
    said = _said(given, args)
    alone = {key: value for key, value in given.items() if key not in said}
    configfile.check(_PLACEHOLDERS | alone, args.config)
    configfile.check(_PLACEHOLDERS | given | said)
    _require_fleet(args, console)
    deploy.check_application(args)
    failed = []
    for port in [ports.choose(port) for port in args.ports or [None]]:
        try:
            provision(port, given, args, console)
        except ToolError as error:
            failed.append(str(error) if port in str(error) else f"{port}: {error}")
    if failed:
        raise ToolError("; ".join(failed))
    return 0


def _require_fleet(args: argparse.Namespace, console: Console) -> None:
    """A mistyped folder must not become a new fleet, to which a board of the right one would be moved."""
    if args.new_fleet or pki.is_fleet(args.keys):
        return
    question = f"{args.keys} holds no keys of a fleet. Make a new one there?"
    if not sys.stdin.isatty() or not Confirm.ask(question, console=console, default=False):
        raise ToolError(f"{args.keys} holds no keys of a fleet: correct --keys, or make one with --new-fleet")


def complete(config: dict, args: argparse.Namespace, console: Console) -> dict:
    """The configuration of a board: what is there, the options, and the answers to questions, which are
    kept in args for the boards that follow."""
    if not args.wifi and "wifi" not in config:
        args.wifi = [[_ask("Wi-Fi name", console)]]
    for wifi in args.wifi or ():
        if len(wifi) == 1:
            known = _password(wifi[0], config)
            wifi.append(_ask(f"Password of Wi-Fi {wifi[0]!r}", console, True) if known is None else known)
    if not args.server and "broker" not in config:
        args.server = _ask("Broker (host or address for the boards)", console)
    if not args.board and "board" not in config:
        args.board = _ask("Name of the product, which its images carry", console)
    return config | _said(config, args)


def _is_open(config: dict, args: argparse.Namespace) -> bool:
    """Whether complete() would ask."""
    return (
        not (args.wifi or "wifi" in config)
        or any(len(one) == 1 and _password(one[0], config) is None for one in args.wifi or ())
        or not (args.server or "broker" in config)
        or not (args.board or "board" in config)
    )


def _said(config: dict, args: argparse.Namespace) -> dict:
    """What the options say. Raises ToolError."""
    said: dict = {}
    if args.wifi:
        if any(len(one) > 2 for one in args.wifi):
            raise ToolError("--wifi takes a name and a password: put what holds blanks into quotes")
        said["wifi"] = [one if len(one) == 2 else [*one, ""] for one in args.wifi]
    if args.server is not None:
        said["broker"] = _broker(args.server)
    if args.board:
        said["board"] = args.board
    return said


def _password(name: str, config: dict) -> str | None:
    """From the environment, or as it was; None = it has to be asked for."""
    wifi = config.get("wifi")
    pairs = [one for one in wifi if isinstance(one, list) and len(one) == 2] if isinstance(wifi, list) else []
    saved = {str(one[0]): one[1] for one in pairs}
    return os.environ.get(PASSWORD, saved.get(name))


def _broker(server: str) -> str:
    host, _, port = server.partition(":")
    if "[" in server or server.count(":") > 1:
        raise ToolError(f"--server {server}: IPv6 is not supported, give a name or an IPv4 address")
    if not host or (port and not port.isdigit()):
        raise ToolError(f"{server!r} is not a HOST[:PORT]: give --server the name or address of the broker")
    return f"mqtts://{host}:{port or BROKER_PORT}"


def _ask(question: str, console: Console, is_secret: bool = False) -> str:
    try:
        answer = Prompt.ask(question, console=console, password=is_secret and sys.stdin.isatty())
    except EOFError:
        answer = ""
    if not answer:
        raise ToolError(f"{question}: no answer; give it as an option, see --help")
    return answer


def provision(port: str, given: dict, args: argparse.Namespace, console: Console) -> None:
    with Session(port) as board:
        mac, saved = _look(board, args.keys)
        console.print(f"{port}: board {mac}", soft_wrap=True)
        config = saved | given
        if not _is_open(config, args):
            _bring(board, mac, saved, complete(config, args, console), args, console)
            return
    config = complete(config, args, console)  # not while the board waits: its watchdog may be running
    with Session(port) as board:
        _bring(board, mac, saved, config, args, console)


def _look(board: Session, keys: Path) -> tuple[str, dict]:
    """Its MAC and the configuration that it has, or had when it was last provisioned; {} for a new one.
    Raises ToolError for a board that could never update itself."""
    board.load("facts")
    facts = Facts(system=board.call("system"), partitions=board.call("partitions"))
    for check in checks_board.VITAL:
        finding = check(facts)
        if finding.level == findings.BAD:
            raise ToolError(f"{finding.text}: {finding.cure}")
    board.load("identity")
    mac = pki.mac_of(board.call("mac"))
    for text in (board.call("read_text", payload.CONFIG), _text(keys / "devices" / mac / payload.CONFIG)):
        saved = configfile.parse(text)
        if saved is not None:
            return mac, saved
    return mac, {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _bring(
    board: Session, mac: str, saved: dict, config: dict, args: argparse.Namespace, console: Console
) -> None:
    configfile.check(config)
    kept = sorted(key for key in saved if config[key] == saved[key])
    if kept:
        console.print(f"kept of its ota.json: {', '.join(kept)}", soft_wrap=True)
    folder = _keys(args.keys, mac, config["broker"])
    content = configfile.dump(config)
    configfile.save(folder / payload.CONFIG, content)
    _require_key(board, folder)
    settings = payload.certificates(folder) | {payload.CONFIG: content}
    deploy.show(deploy.deploy(board, settings, args, console), console)


def _require_key(board: Session, folder: Path) -> None:
    """The private half may be deleted here once the board has it. Raises ToolError if it is nowhere."""
    if (folder / devicekeys.KEY).exists():
        return
    board.load("store")
    names = [f"{payload.CERTIFICATES}/{name}" for name in (devicekeys.CERTIFICATE, devicekeys.KEY)]
    certificate, key = board.call("digests", names)
    if not key or certificate != hashlib.sha256((folder / devicekeys.CERTIFICATE).read_bytes()).hexdigest():
        raise ToolError(
            f"{folder / devicekeys.KEY} is missing, and the board does not have it: restore it, or delete"
            f" {devicekeys.CERTIFICATE} too, and a new certificate is made"
        )


def _keys(folder: Path, mac: str, broker: str) -> Path:
    """The folder of this board's certificates; servers' are made for the name that boards use."""
    host = broker.split("://", 1)[1].rsplit(":", 1)[0]
    pki.make_all(folder, [mac], [host])
    return folder / "devices" / mac
