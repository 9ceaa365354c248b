"""Make the keys and certificates of broker, file server, devices and image signing."""

from __future__ import annotations

import argparse
from pathlib import Path

from tools import pki
from tools.errors import ToolError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", metavar="DIR", type=Path, help="folder; what is there is kept")
    parser.add_argument(
        "--device", metavar="MAC", nargs="+", action="extend", default=[], help="board to add"
    )
    parser.add_argument(
        "--server-name",
        metavar="NAME",
        nargs="+",
        action="extend",
        default=[],
        help="DNS name or IP address by which boards reach the servers, besides localhost",
    )
    parser.add_argument("--ca-days", type=int, default=pki.CA_DAYS, help="default: %(default)s")
    parser.add_argument(
        "--days", type=int, default=pki.DAYS, help="of other certificates, default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    if args.days < 1 or args.ca_days < 1:
        raise ToolError("--days and --ca-days must be 1 or more")
    folders = pki.make_all(
        args.dir, args.device, args.server_name, ca_days=args.ca_days, days=args.days
    )
    for folder in folders:
        for name in folder.made:
            print("made", folder.path / name)
        for name in folder.kept:
            print("kept", folder.path / name)
    print(f"Keep {args.dir} secret; copy devices/<MAC>/ to the board of that MAC.")
    return 0
