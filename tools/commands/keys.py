"""Make the keys and certificates of broker, file server, devices and image signing."""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.cli import options
from tools.errors import ToolError
from tools.keys import pki


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", metavar="DIR", type=Path, help="folder; what is there is kept")
    parser.add_argument(
        "--device", metavar="MAC", nargs="+", action="extend", default=[], help="board to add"
    )
    parser.add_argument(
        "--server-name",
        type=options.host,
        metavar="NAME",
        nargs="+",
        action="extend",
        default=[],
        help="DNS name or IP address by which boards reach the servers, besides localhost",
    )
    parser.add_argument(
        "--ca-days", type=options.days, default=pki.CA_DAYS, metavar="N",
        help="days for which CAs are made (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--days", type=options.days, default=pki.DAYS, metavar="N",
        help="days for which other certificates are made (%(default)s)",
    )
    parser.add_argument(
        "--servers", type=options.whole(1, 1000), default=pki.SERVERS, metavar="N",
        help="how many may share one folder of `serve` (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--next-key", action="store_true", help="make the signing key that is to follow the current one"
    )
    parser.add_argument(
        "--next-ca", action="store_true", help="make the CAs that are to follow the current ones"
    )
    parser.add_argument(
        "--rotate-key", action="store_true", help="the next signing key becomes the current one"
    )
    parser.add_argument(
        "--rotate-ca", action="store_true",
        help="the next CAs become the current ones and issue the servers' certificates anew",
    )  # fmt: skip
    parser.add_argument(
        "--revoke", metavar="MAC", nargs="+", action="extend", default=[],
        help="board that was stolen or sold: the broker takes its certificates no more",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    wanted = args.rotate_key or args.rotate_ca or args.revoke
    if wanted and not pki.is_fleet(args.dir):
        raise ToolError(f"{args.dir} holds no keys yet: give the folder of those that boards have")
    folders = pki.make_all(
        args.dir, args.device, args.server_name, ca_days=args.ca_days, days=args.days,
        next_key=args.next_key, next_ca=args.next_ca, rotate_key=args.rotate_key, rotate_ca=args.rotate_ca,
        revoke=args.revoke, servers=args.servers,
    )  # fmt: skip
    for folder in folders:
        for name in folder.made:
            print("made", folder.path / name)
        for name in folder.kept:
            print("kept", folder.path / name)
    print(f"Keep {args.dir} secret; copy devices/<MAC>/ to the board of that MAC,"
          " give server/ to `serve`.")
    return 0
