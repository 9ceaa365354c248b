"""Look at a board and say what keeps it from updating itself, with the cure for each red line.

Interrupts what runs on the board and starts it anew at the end; nothing on it is changed. The checks of
Wi-Fi, time and broker are done by the board, with the package that is on it.
With --traceback no board is needed: .mpy files have short names for what is private, and this tells those of
the sources, if they are here in the board's version.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from tools.cli import wholefile
from tools.cli.console import clean
from tools.errors import ToolError
from tools.image import firmware
from tools.realboard import checks_board, checks_identity, findings, ports
from tools.realboard.examination import Facts, examine
from tools.realboard.findings import Finding
from tools.realboard.session import Session

MARKS = {
    findings.OK: "[green]ok  [/]", findings.WARN: "[yellow]note[/]",
    findings.BAD: "[red]BAD [/]", findings.SKIP: "[dim]-   [/]",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "port", metavar="PORT", nargs="?", help="e.g. /dev/ttyUSB0 (default: the only board on USB)"
    )
    parser.add_argument(
        "--offer", type=Path, metavar="FILE", help="would this board accept this offer, as `sign` prints it?"
    )
    parser.add_argument(
        "--traceback", metavar="FILE", help="what a board printed (-: standard input), in the source's names"
    )


def run(args: argparse.Namespace) -> int:
    """1 if a line is red."""
    if args.traceback:
        if args.port or args.offer:
            raise ToolError("--traceback needs no board: leave PORT and --offer out")
        print(clean(firmware.short_names().restore(_printed(args.traceback)), keep="\n\t"), end="")
        return 0
    console = Console(highlight=False)
    offer = _read(args.offer) if args.offer else None
    with console.status("looking at the board"), Session(ports.choose(args.port)) as board:
        facts = examine(board, offer)
    found = diagnose(facts, offer is not None)
    for name, finding in found:
        _show(name, finding, console)
    red = sum(finding.level == findings.BAD for _, finding in found)
    print("nothing stands in the way of updates" if not red else f"{red} to cure")
    return 1 if red else 0


def diagnose(facts: Facts, has_offer: bool) -> list[tuple[str, Finding]]:
    checks = [*checks_board.CHECKS, *checks_identity.IDENTITY, *checks_identity.SERVERS]
    if has_offer:
        checks.append(("offer", checks_identity.offer))
    return [(name, check(facts)) for name, check in checks]


def _printed(name: str) -> str:
    """A board ends its lines with CR LF; what it prints need not be UTF-8."""
    if name == "-":
        printed = wholefile.read_stream(sys.stdin.buffer, "standard input")
    else:
        printed = wholefile.read(Path(name))
    return printed.decode(errors="replace").replace("\r\n", "\n")


def _read(path: Path) -> str:
    """The offer as one line of JSON."""
    try:
        offer = json.loads(wholefile.read(path).decode("utf-8-sig"))
    except OSError as error:
        raise ToolError(f"cannot read the offer {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ToolError(f"cannot read the offer {path}, it is not JSON: {error}") from None
    if not isinstance(offer, dict) or "version" not in offer:
        raise ToolError(f"{path} is not an offer: `sign IMAGE --key FILE --output-offer {path}` makes one")
    return json.dumps(offer, ensure_ascii=False)


def _show(name: str, finding: Finding, console: Console) -> None:
    console.print(f"{MARKS[finding.level]} {name:<17} {escape(clean(finding.text))}", soft_wrap=True)
    if finding.cure:
        console.print(f"     {'':<17} → {escape(clean(finding.cure))}", soft_wrap=True)
