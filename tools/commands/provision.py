"""Make a board from the shop one under OTA: its certificate, its configuration, the package, in one go.

Reads the MAC from the board, makes the keys of the fleet and of this board where they are missing, asks for
what the options leave open, and deploys. ota.json stays beside the board's certificates, for later.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.prompt import Prompt

from tools import configfile, options, pki
from tools.boards import checks_board, findings, payload, ports
from tools.boards.examination import Facts
from tools.boards.session import Session
from tools.commands import deploy
from tools.errors import ToolError

BROKER_PORT = 8883


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "ports", metavar="PORT", nargs="*", help="one or several (default: the only board on USB)"
    )
    parser.add_argument(
        "--keys", type=Path, default=Path("keys"), metavar="DIR", help="as `keys` makes it (default: keys)"
    )
    parser.add_argument(
        "--wifi", type=str, nargs=2, action="append", metavar=("NAME", "PASSWORD"),
        help="may be given several times",
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
    chosen = [ports.choose(port) for port in args.ports or [None]]
    config = complete(configfile.read(args.config) if args.config else {}, args, console)
    configfile.check(config)
    deploy.check_application(args)
    failed = []
    for port in chosen:
        try:
            provision(port, config, args, console)
        except ToolError as error:
            failed.append(str(error) if port in str(error) else f"{port}: {error}")
    if failed:
        raise ToolError("; ".join(failed))
    return 0


def complete(config: dict, args: argparse.Namespace, console: Console) -> dict:
    """The configuration all boards get: what is there, the options, and the answers to questions."""
    if args.wifi:
        config["wifi"] = args.wifi
    if "wifi" not in config:
        name = _ask("Wi-Fi name", console)
        config["wifi"] = [[name, _ask("Wi-Fi password", console, is_secret=True)]]
    if args.server or "broker" not in config:
        config["broker"] = _broker(args.server or _ask("Broker (host or address for the boards)", console))
    if args.board or "board" not in config:
        config["board"] = args.board or _ask("Name of the product, which its images carry", console)
    return config


def _broker(server: str) -> str:
    host, _, port = server.partition(":")
    if "[" in server or server.count(":") > 1:
        raise ToolError(f"--server {server}: IPv6 is not supported, give a name or an IPv4 address")
    if not host or (port and not port.isdigit()):
        raise ToolError(f"{server!r} is no HOST[:PORT]: give --server the name or address of the broker")
    return f"mqtts://{host}:{port or BROKER_PORT}"


def _ask(question: str, console: Console, is_secret: bool = False) -> str:
    try:
        answer = Prompt.ask(question, console=console, password=is_secret)
    except EOFError:
        answer = ""
    if not answer:
        raise ToolError(f"{question}: no answer; give it as an option, see --help")
    return answer


def provision(port: str, config: dict, args: argparse.Namespace, console: Console) -> None:
    with Session(port) as board:
        _refuse_in_vain(board)
        board.load("identity")
        mac = pki.mac_of(board.call("mac"))
        console.print(f"{port}: board {mac}", soft_wrap=True)
        folder = _keys(args.keys, mac, config["broker"])
        content = configfile.dump(config)
        configfile.save(folder / payload.CONFIG, content)
        settings = payload.certificates(folder) | {payload.CONFIG: content}
        deploy.show(deploy.deploy(board, settings, args, console), console)


def _refuse_in_vain(board: Session) -> None:
    """Raises ToolError for a board that could never update itself."""
    board.load("facts")
    facts = Facts(system=board.call("system"), partitions=board.call("partitions"))
    for check in checks_board.VITAL:
        finding = check(facts)
        if finding.level == findings.BAD:
            raise ToolError(f"{finding.text}: {finding.cure}")


def _keys(folder: Path, mac: str, broker: str) -> Path:
    """The folder of this board's certificates; servers' are made once, for the name that boards use."""
    host = broker.split("://", 1)[1].rsplit(":", 1)[0]
    pki.make_all(folder, [mac], [host])
    return folder / "devices" / mac
