"""Build a firmware image of the device package and an application."""

from __future__ import annotations

import argparse
from pathlib import Path

from tools import firmware, images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", required=True, help="MAJOR.MINOR.PATCH")
    parser.add_argument("--kind", required=True, choices=images.KINDS)
    parser.add_argument("--board", required=True, help="the board's name, as in its configuration")
    parser.add_argument("--output", required=True, metavar="FILE", type=Path)
    parser.add_argument("--source", action="store_true", help="keep .py files, for CPython")
    parser.add_argument("--app", metavar="DIR", type=Path, help="folder with your main.py")
    parser.add_argument("--build-time", metavar="TEXT", help='like "May 24 2024 10:33:41"')


def run(args: argparse.Namespace) -> int:
    image = firmware.build_image(
        args.version, args.kind, args.board, args.source, args.app, args.build_time
    )
    args.output.write_bytes(image)
    print(f"{args.output}: {args.kind} {args.version} for {args.board}, {len(image)} bytes")
    return 0
