"""Sign a firmware image and print the update offer for it.

--version and --board append the trailer that names them, for an image not made by `build`; what is
signed, and must be served, is then the file --output. --offer-version leaves the image as it is and
names a version in the offer alone. An offer without URL is for `push`: the server puts in its own.

With --signer the private key stays where it is (smart card, HSM, KMS) and --key names its public half, such
as keys/server/sign_pub.der. COMMAND is started without a shell, once for a signature (three with --expires);
it reads the SHA-256 digest, 32 bytes, on its standard input and writes the ECDSA signature, DER, to its
standard output within 60 s: "openssl pkeyutl -sign -inkey KEY" does. The signature is checked before it is
used.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tools.cli import options, wholefile
from tools.errors import ToolError
from tools.image import firmware, imagecheck, images, signer, signing, versions
from tools.keys import keyfiles

DAY_S = 86400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "image", metavar="IMAGE", type=Path, help="micropython.bin of your build, or what `build` made"
    )
    parser.add_argument("--key", required=True, metavar="FILE", type=Path, help="sign.key.pem of `keys`")
    parser.add_argument(
        "--signer", type=str, metavar="COMMAND", help="signs instead; --key is its public half then"
    )
    parser.add_argument(
        "--kind", choices=images.KINDS, help="of the image: raw must be said, the others are recognised"
    )
    parser.add_argument("--http-url", metavar="URL", help="where boards fetch the image")
    parser.add_argument("--https-url", metavar="URL", help="the same, by HTTPS (preferred)")
    parser.add_argument("--version", type=versions.check, help="MAJOR.MINOR.PATCH, appended to the image")
    parser.add_argument("--board", type=options.name, help="the board's name, appended to the image")
    parser.add_argument(
        "--build-time", type=options.build_time, metavar="TEXT",
        help='like "May 24 2024 10:33:41", appended to the image (default: now)',
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="image plus trailer (default: IMAGE-VERSION.img)"
    )
    parser.add_argument(
        "--offer-version", type=versions.check, metavar="VERSION",
        help="named in the offer alone, for boards with accept_unversioned",
    )  # fmt: skip
    parser.add_argument(
        "--delay", type=options.unix_time, default=0, metavar="T", help="Unix time to start at, s or ms"
    )
    parser.add_argument(
        "--expires", type=options.days, metavar="DAYS", help="sign the offer itself, for so long"
    )
    parser.add_argument(
        "--next-key", metavar="FILE", type=Path,
        help="appended to the image: the key, public half or both, that may sign what follows it",
    )  # fmt: skip
    parser.add_argument("--output-offer", metavar="FILE", type=Path, help="default: print it")


def run(args: argparse.Namespace) -> int:
    _check_arguments(args)
    image = imagecheck.read(args.image)
    key = signer.choose(args.key, args.signer)
    imagecheck.check(image, args.image, args.kind)
    if args.version:
        image = _with_trailer(image, args)
    offer = signing.offer(
        image,
        key,
        version=_version(images.describe(image), args.offer_version),
        http_url=args.http_url,
        https_url=args.https_url,
        upgrade_delay=args.delay,
        for_push=args.http_url is None and args.https_url is None,
        expires=None if args.expires is None else int(time.time()) + args.expires * DAY_S,
    )
    _write(image, json.dumps(offer, indent=2), args)
    remark = imagecheck.remark(image)
    if remark.startswith("warning") or args.version or args.output_offer:
        _report(remark)
    return 0


def _write(image: bytes, offer: str, args: argparse.Namespace) -> None:
    """Both files or none."""
    output = _write_image(image, args) if args.version else None
    try:
        if args.output_offer:
            wholefile.write(args.output_offer, (offer + "\n").encode())
            _report(f"wrote {args.output_offer}, the offer of {output or args.image}")
        else:
            print(offer, flush=True)  # here it is seen that it cannot be written
    except OSError:
        if output:
            output.unlink()
        raise


def _report(line: str) -> None:
    """Not on standard output: the offer is there."""
    if line:
        print(line, file=sys.stderr)


def _check_arguments(args: argparse.Namespace) -> None:
    if args.version and not args.board:
        raise ToolError("--version needs --board: the trailer names both")
    if not args.version:
        parts = ("--board", "--build-time", "--next-key", "--output")
        options.refuse(args, parts, "part of a trailer: give --version too")
    if args.version:
        options.apart(_output(args), args.output_offer)
    for path in filter(None, (args.output, args.output_offer)):
        inputs = [one for one in (args.image, args.key, args.next_key) if one and one.exists()]
        if path.exists() and any(map(path.samefile, inputs)):
            raise ToolError(f"{path} is what is signed, or a key: give another file to write")


def _with_trailer(image: bytes, args: argparse.Namespace) -> bytes:
    build_time = args.build_time or firmware.default_build_time()
    next_key = keyfiles.read_public(args.next_key) if args.next_key else None
    return images.add_trailer(image, args.version, args.board, build_time, next_key)


def _output(args: argparse.Namespace) -> Path:
    return args.output or args.image.with_name(f"{args.image.stem}-{args.version}.img")


def _write_image(image: bytes, args: argparse.Namespace) -> Path:
    output = _output(args)
    if output.exists():
        raise ToolError(f"{output} exists: remove it or give --output")
    wholefile.write(output, image)
    _report(f"wrote {output}, the file to serve")
    return output


def _version(described: dict, wanted: str | None) -> str:
    """The version to offer. Raises ToolError if the image names another or none is known."""
    inside = described["version"]
    if versions.is_version(inside):
        _warn_of_any_board(described)
        if wanted not in (None, inside):
            raise ToolError(f"the image says it is {inside}, not {wanted}: correct --offer-version")
        return inside
    if wanted is None:
        raise ToolError(f"the image names no usable version ({inside!r}): give --version and --board")
    _warn_of_any_board(described)
    hint = "boards install it only with accept_unversioned; --version and --board add a trailer"
    _report(f"warning: the image itself names {inside!r}: {hint}")
    return wanted


def _warn_of_any_board(described: dict) -> None:
    if described["kind"] == "esp32" and described["trailer"] is None:
        _report(
            "warning: without a trailer the image names no board, and boards refuse it, or, with"
            " accept_unversioned, those of every product with this key take it: give --version and --board"
        )
