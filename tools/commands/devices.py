"""Show the devices of a server: what each runs, what it is at, and why it failed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from tools.errors import ToolError
from tools.keys import pki
from tools.server import pushes, tables, view
from tools.server.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of `serve`")
    parser.add_argument("--json", action="store_true", help="all that is known, for programs")
    parser.add_argument("--tag", nargs="+", metavar=("TAG", "MAC"), help="give these devices a tag")
    parser.add_argument("--untag", nargs="+", metavar=("TAG", "MAC"), help="take it from them")


def run(args: argparse.Namespace) -> int:
    store = Store(args.folder)
    for words, on in ((args.tag, True), (args.untag, False)):
        if words:
            if len(words) < 2 or not words[0].isprintable() or " " in words[0]:
                raise ToolError("give a tag without blanks, and then the MACs of devices")
            pushes.set_tag(store, words[0], pushes.check(store, map(pki.mac_of, words[1:])), on)
    shown = view.fleet(store)
    if args.json:
        print(json.dumps(shown, indent=1))
        return 0
    Console(highlight=False).print(tables.fleet(shown))
    return 0
