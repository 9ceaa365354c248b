"""Sign a firmware image and print the update offer for it.

--version and --board append the trailer that names them, for an image not made by `build`; what is
signed, and must be served, is then the file --output. --offer-version leaves the image as it is and
names a version in the offer alone. An offer without URL is for `push`: the server puts in its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tools import firmware, images, keyfiles, signing, versions, wholefile
from tools.errors import ToolError

DAY_S = 86400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", type=Path)
    parser.add_argument("--key", required=True, metavar="FILE", type=Path, help="sign.key.pem")
    parser.add_argument("--http-url", metavar="URL", help="where boards fetch the image")
    parser.add_argument("--https-url", metavar="URL", help="the same, by HTTPS (preferred)")
    parser.add_argument("--version", help="MAJOR.MINOR.PATCH, appended to the image")
    parser.add_argument("--board", help="the board's name, appended to the image")
    parser.add_argument("--build-time", metavar="TEXT", help="appended to the image (default: now)")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="image plus trailer (default: IMAGE-VERSION.img)"
    )
    parser.add_argument(
        "--offer-version", metavar="VERSION", help="for boards with accept_unversioned"
    )
    parser.add_argument(
        "--delay", type=int, default=0, metavar="T", help="Unix time to start at, s or ms"
    )
    parser.add_argument(
        "--expires", type=int, metavar="DAYS", help="sign the offer itself, for so long"
    )
    parser.add_argument(
        "--next-key", metavar="FILE", type=Path,
        help="appended to the image: the key, public half or both, that may sign what follows it",
    )  # fmt: skip
    parser.add_argument("--output-offer", metavar="FILE", type=Path, help="default: print it")


def run(args: argparse.Namespace) -> int:
    _check_arguments(args)
    image = _read(args.image)
    if args.version:
        image = _with_trailer(image, args)
    offer = signing.offer(
        image,
        keyfiles.read_key(args.key),
        version=_version(image, args.offer_version),
        http_url=args.http_url,
        https_url=args.https_url,
        upgrade_delay=args.delay,
        for_push=not (args.http_url or args.https_url),
        expires=None if args.expires is None else int(time.time()) + args.expires * DAY_S,
    )
    output = _write_image(image, args) if args.version else None
    text = json.dumps(offer, indent=2)
    try:
        if args.output_offer:
            wholefile.write(args.output_offer, (text + "\n").encode())
        else:
            print(text)
    except OSError:
        if output:
            output.unlink()
        raise
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ToolError(f"cannot read the image {path}: {error.strerror}") from None


def _check_arguments(args: argparse.Namespace) -> None:
    if args.version and not args.board:
        raise ToolError("--version needs --board: the trailer names both")
    if not args.version and (args.board or args.build_time or args.output or args.next_key):
        options = "--board, --build-time, --next-key and --output"
        raise ToolError(f"{options} belong to a trailer: give --version too")
    if args.expires is not None and args.expires < 1:
        raise ToolError("--expires must be 1 day or more")


def _with_trailer(image: bytes, args: argparse.Namespace) -> bytes:
    build_time = args.build_time or firmware.default_build_time()
    next_key = keyfiles.read_public(args.next_key) if args.next_key else None
    return images.add_trailer(image, args.version, args.board, build_time, next_key)


def _write_image(image: bytes, args: argparse.Namespace) -> Path:
    output = args.output or args.image.with_name(f"{args.image.stem}-{args.version}.img")
    if output.exists():
        raise ToolError(f"{output} exists: remove it or give --output")
    wholefile.write(output, image)
    print(f"wrote {output}, the file to serve", file=sys.stderr)
    return output


def _version(image: bytes, wanted: str | None) -> str:
    """The version to offer. Raises ToolError if the image names another or none is known."""
    described = images.describe(image)
    inside = described["version"]
    if described["crc_ok"] is False:
        raise ToolError("the image is damaged or cut off: its header's checks fail")
    if versions.is_version(inside):
        _warn_of_any_board(described)
        if wanted not in (None, inside):
            raise ToolError(f"the image says it is {inside}, not {wanted}: correct --offer-version")
        return inside
    if wanted is None:
        raise ToolError(f"the image names no usable version ({inside!r}): give --version and --board")
    _warn_of_any_board(described)
    hint = "boards install it only with accept_unversioned; --version and --board add a trailer"
    print(f"warning: the image itself names {inside!r}: {hint}", file=sys.stderr)
    return wanted


def _warn_of_any_board(described: dict) -> None:
    if described["kind"] == "esp32" and described["trailer"] is None:
        print(
            "warning: without a trailer the image names no board, and boards refuse it, or, with"
            " accept_unversioned, those of every product with this key take it: give --version and --board",
            file=sys.stderr,
        )
