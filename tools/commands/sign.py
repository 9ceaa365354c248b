"""Sign a firmware image and print the update offer for it.

With --output the image first gets a trailer that names --version and --board, as an image not
made by `build` needs it; without, --version only names the version in the offer.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tools import firmware, images, pki, signing, versions
from tools.errors import ToolError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", type=Path)
    parser.add_argument("--key", required=True, metavar="FILE", type=Path, help="sign.key.pem")
    parser.add_argument("--http-url", metavar="URL", help="where boards fetch the image")
    parser.add_argument("--https-url", metavar="URL", help="the same, by HTTPS (preferred)")
    parser.add_argument("--version", help="MAJOR.MINOR.PATCH, default: what the image says")
    parser.add_argument("--board", help="with --output: the board's name for the trailer")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write image plus trailer here")
    parser.add_argument("--build-time", metavar="TEXT", help="with --output, default: now")
    parser.add_argument(
        "--delay", type=int, default=0, metavar="T", help="Unix time to start at, s or ms"
    )
    parser.add_argument("--output-offer", metavar="FILE", type=Path, help="default: print it")


def run(args: argparse.Namespace) -> int:
    image = _read(args.image)
    if args.output or args.board or args.build_time:
        image = _with_trailer(image, args)
    offer = signing.offer(
        image,
        pki.read_key(args.key),
        version=_version(image, args.version),
        http_url=args.http_url,
        https_url=args.https_url,
        upgrade_delay=args.delay,
    )
    if args.output:
        args.output.write_bytes(image)
    text = json.dumps(offer, indent=2)
    if args.output_offer:
        args.output_offer.write_text(text + "\n")
    else:
        print(text)
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ToolError(f"cannot read the image {path}: {error.strerror}") from None


def _with_trailer(image: bytes, args: argparse.Namespace) -> bytes:
    if not (args.version and args.board and args.output):
        raise ToolError("a trailer needs all of --version, --board and --output")
    build_time = args.build_time or firmware.default_build_time()
    return images.add_trailer(image, args.version, args.board, build_time)


def _version(image: bytes, wanted: str | None) -> str:
    """The version to offer. Raises ToolError if the image names another or none is known."""
    described = images.describe(image)
    inside = described["version"]
    if described["crc_ok"] is False:
        raise ToolError("the image is damaged or cut off: its header's checks fail")
    if versions.is_version(inside):
        if wanted not in (None, inside):
            raise ToolError(f"the image says it is {inside}, not {wanted}: correct --version")
        return inside
    if wanted is None:
        raise ToolError(f"the image names no usable version ({inside!r}): give --version")
    hint = "boards install it only with accept_unversioned; --output and --board add a trailer"
    print(f"warning: the image itself names {inside!r}: {hint}", file=sys.stderr)
    return wanted
