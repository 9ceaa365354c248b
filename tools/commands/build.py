"""Build a firmware image of the device package and an application, for the simulated board.

With --romfs it is a ROMFS image for `mpremote romfs deploy`, for any board with such a partition: the package
and the application's modules. main.py is not run from there: `deploy` puts it into the file system.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.cli import options, wholefile
from tools.errors import ToolError
from tools.image import firmware, images, versions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", type=versions.check, help="of the image, MAJOR.MINOR.PATCH")
    parser.add_argument("--kind", choices=images.KINDS, help="an ESP32's, a W80x's, or without a format")
    parser.add_argument("--board", type=options.name, help="the board's name, as in its configuration")
    parser.add_argument("--romfs", action="store_true", help="a ROMFS image instead; needs none of these")
    parser.add_argument("--output", required=True, metavar="FILE", type=Path, help="the image")
    parser.add_argument("--source", action="store_true", help=".py files instead of .mpy, for CPython")
    parser.add_argument("--app", metavar="DIR", type=Path, help="folder with your main.py")
    parser.add_argument(
        "--build-time", type=options.build_time, metavar="TEXT",
        help='like "May 24 2024 10:33:41" (default: now)',
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    wholefile.require_place(args.output)
    if args.romfs:
        return _build_romfs(args)
    if not (args.version and args.kind and args.board):
        raise ToolError("give --version, --kind and --board, or --romfs")
    image = firmware.build_image(
        args.version, args.kind, args.board, args.source, args.app, args.build_time
    )
    wholefile.write(args.output, image)
    print(f"{args.output}: {args.kind} {args.version} for {args.board}, {len(image)} bytes")
    return 0


def _build_romfs(args: argparse.Namespace) -> int:
    parts = ("--version", "--kind", "--board", "--build-time")
    options.refuse(args, parts, "not with --romfs: a ROMFS has no such part")
    image = firmware.build_romfs(args.source, args.app)
    wholefile.write(args.output, image)
    print(f"{args.output}: ROMFS, {len(image)} bytes")
    return 0
