"""Make the keys and certificates of broker, file server, devices and image signing."""

from __future__ import annotations

import argparse
from pathlib import Path

from tools import options, pki, rotation


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
    parser.add_argument("--ca-days", type=options.days, default=pki.CA_DAYS, help="default: %(default)s")
    parser.add_argument(
        "--days", type=options.days, default=pki.DAYS, help="of other certificates, default: %(default)s"
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


def run(args: argparse.Namespace) -> int:
    devices = [*map(pki.mac_of, args.device), *_known_devices(args)]
    names = list(args.server_name)
    if args.rotate_key:
        rotation.rotate_key(args.dir)
    if args.rotate_ca:
        names = [*sorted(rotation.rotate_authorities(args.dir)), *names]
    folders = pki.make_all(
        args.dir, list(dict.fromkeys(devices)), names, ca_days=args.ca_days, days=args.days,
        next_key=args.next_key, next_ca=args.next_ca, renew=_changes_public_files(args), servers=args.servers,
    )  # fmt: skip
    for folder in folders:
        for name in folder.made:
            print("made", folder.path / name)
        for name in folder.kept:
            print("kept", folder.path / name)
    print(f"Keep {args.dir} secret; copy devices/<MAC>/ to the board of that MAC,"
          " give server/ to `serve`.")
    return 0


def _changes_public_files(args: argparse.Namespace) -> bool:
    return args.next_key or args.next_ca or args.rotate_key or args.rotate_ca


def _known_devices(args: argparse.Namespace) -> list[str]:
    """All that have a folder, if what they need changes."""
    if not _changes_public_files(args):
        return []
    return [path.parent.name for path in sorted(args.dir.glob("devices/*/client.crt.der"))]
