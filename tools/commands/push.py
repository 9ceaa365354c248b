"""Offer an image to devices of a running server, and wait until each has it or has failed.

IMAGE is the firmware file, OFFER what `sign` made of it: signing needs the key, pushing does not. FOLDER is
the folder of `serve`. Exit code 0: all have confirmed. Ctrl-C leaves the push to the server. What a device
has not begun of another push is replaced.

--cancel ends a push: who has not been offered it gets nothing, and boards that know how drop what they have
not installed. Exit code 0: none of them can install it any more.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from tools.cli import interrupts, options, wholefile
from tools.errors import ToolError
from tools.image import imagecheck
from tools.keys import pki
from tools.server import imagestore, pushes, tables, view
from tools.server.states import CANCELLING
from tools.server.store import Store

LOOK_S = 0.3
ANSWER_S = 15  # so long a cancel is watched
MAX_NAMED = 20
KEY_SIZE = 91  # of a public key on P-256, DER


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of `serve`")
    parser.add_argument("image", type=Path, nargs="?", metavar="IMAGE", help="as `sign` wrote or left it")
    parser.add_argument("offer", type=Path, nargs="?", metavar="OFFER", help="of `sign --output-offer`")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--device", nargs="+", metavar="MAC", help="these devices")
    chosen.add_argument("--tag", help="the devices with this tag, see `devices --tag`")
    chosen.add_argument("--all", action="store_true", help="all devices")
    chosen.add_argument(
        "--cancel", nargs="?", type=options.whole(1, what="the number of a push,"), const=0, metavar="N",
        help="end push N, at the boards too; without N all that run",
    )  # fmt: skip
    parser.add_argument(
        "--at", type=options.moment, default=0, metavar="TIME",
        help="not before: Unix s, or e.g. 2026-11-30T02:00 (local)",
    )  # fmt: skip
    parser.add_argument(
        "--jitter", type=options.whole(0), default=0, metavar="S", help="each starts up to S s later"
    )
    parser.add_argument(
        "--max-failures", type=options.whole(0), default=0, metavar="N",
        help="no more offers after N have failed or are silent, and never more at once than may still fail",
    )  # fmt: skip
    parser.add_argument(
        "--silence", type=options.whole(1), default=600, metavar="S",
        help="after S s a device is silent (%(default)s)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    store = Store(args.folder)
    console = Console(highlight=False)
    if args.cancel is not None:
        return _cancel(store, args.cancel, console)
    number = _start(store, args)
    _name(console, pushes.not_recallable(store, replaced_by=number), "of the push that this one replaces")
    if not view.is_served(store):
        console.print(f"no server runs in {args.folder}: the push waits for `serve`")
    return _follow(store, number, console)


def _cancel(store: Store, number: int, console: Console) -> int:
    """Waits a while for the boards' answers."""
    numbers = pushes.cancel(store, number or None)
    if not numbers:
        console.print("no push runs")
        return 0
    console.print("cancelled push " + ", ".join(map(str, numbers)))
    deadline = time.monotonic() + (ANSWER_S if view.is_served(store) else 0)
    while not pushes.are_recalled(store, numbers) and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    at_risk = 0
    for each in numbers:
        counts = view.push_of(store, each)["counts"]
        waiting = counts.get(CANCELLING, 0)
        if waiting:
            console.print(f"push {each}: {waiting} {_boards(waiting)} not answered yet, `devices` shows when")
        lost = pushes.not_recallable(store, of=each)
        _name(console, lost, f"of push {each}")
        at_risk += waiting + len(lost)
    return 1 if at_risk else 0


def _name(console: Console, macs: list[str], what: str) -> None:
    """Those that were given an offer and do not support `cancel`."""
    if macs:
        more = f" and {len(macs) - MAX_NAMED:,} more" if len(macs) > MAX_NAMED else ""
        console.print(
            f"not recallable, they may still install the image {what}: {' '.join(macs[:MAX_NAMED])}{more}",
            soft_wrap=True,
        )


def _boards(count: int) -> str:
    return "board has" if count == 1 else "boards have"


def _start(store: Store, args: argparse.Namespace) -> int:
    if not (args.image and args.offer):
        raise ToolError("give IMAGE and OFFER, or --cancel")
    if not (args.device or args.tag or args.all):
        raise ToolError("to which devices? give --device MAC …, --tag TAG or --all")
    macs = _macs(store, args)
    offer = _read_offer(args.offer)
    keys = store.fact("signing_keys") or b""
    signers = [keys[start : start + KEY_SIZE] for start in range(0, len(keys), KEY_SIZE)]
    digest = imagestore.add(store, imagecheck.read(args.image), offer, signers)
    return pushes.start(
        store, digest, offer, macs, at=args.at, jitter_s=args.jitter, max_failures=args.max_failures,
        silence_s=args.silence,
    )  # fmt: skip


def _macs(store: Store, args: argparse.Namespace) -> list[str]:
    if args.all:
        macs = pushes.all_devices(store)
        if not macs:
            raise ToolError("no device is known yet: `keys` makes certificates, and `serve` learns of them")
        return macs
    return pushes.tagged(store, args.tag) if args.tag else pushes.check(store, map(pki.mac_of, args.device))


def _follow(store: Store, number: int, console: Console) -> int:
    """Until it is over. On a terminal a table that changes, else its end."""
    try:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while not pushes.is_over(store, number):
                if console.is_terminal:
                    live.update(tables.fitting(view.push(store, number), console), refresh=True)
                time.sleep(LOOK_S)
    except KeyboardInterrupt:
        console.print(f"push {number} goes on; `push {store.folder} --cancel {number}` ends it")
        return interrupts.EXIT_CODE
    console.print(tables.fleet(view.push(store, number)))
    return 0 if pushes.has_confirmed_all(store, number) else 1


def _read(path: Path) -> bytes:
    try:
        return wholefile.read(path)
    except OSError as error:
        raise ToolError(f"cannot read {path}: {error.strerror}") from None


def _read_offer(path: Path) -> dict[str, Any]:
    """Without URLs and time: those are the server's and the push's."""
    try:
        offer = json.loads(_read(path))
    except (ValueError, RecursionError):
        offer = None
    if not isinstance(offer, dict):
        raise ToolError(f"{path} is not an offer: make it with `sign IMAGE --key FILE --output-offer {path}`")
    wanted = ("version", "size", "sig-sha256-ecdsa", "signed_offer")
    return {name: offer[name] for name in wanted if name in offer}
