"""Run a simulated board against any server: this project's, or a foreign broker and file host.

FOLDER is the board: its flash and its file system live there from run to run. It is made on the first
run, from a configuration file (the same ota.json a real board has) and a folder of DER files as `keys`
makes them. Later runs need the folder only. With --count, FOLDER holds a board for each MAC, and --certs is
the folder of all devices. Ctrl-C takes the power away.

With --repl it is an unprovisioned board: stock MicroPython, an empty file system, and a serial
line on a TCP port, which mpremote, `provision`, `deploy` and `doctor` take for a USB port. What passes there
is the board's own, byte for byte; here its lines are shown with control characters spelled out.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

from tools.cli import configfile, interrupts, options
from tools.cli.console import clean
from tools.errors import ToolError
from tools.image import firmware, imagecheck
from tools.keys import pki
from tools.programs import runtimes
from tools.realboard import payload
from tools.server import wire
from tools.simboard.board import FACTS, SimBoard
from tools.simboard.factory import SLOTS, create, create_unprovisioned
from tools.simboard.replboard import ReplBoard
from tools.testbed.ntp import NtpServer
from tools.testbed.testbed import MAC, WIFI

PORT = 2323
OF_A_NEW_ONE = ("--config", "--certs", "--mac", "--image", "--runtime", "--boot", "--epoch", "--heap")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", nargs="?", help="the board; made if it is new")
    parser.add_argument("--config", type=Path, metavar="FILE", help="ota.json of a new board")
    parser.add_argument("--certs", type=Path, metavar="DIR", help="keys/devices/<MAC> of a new board")
    parser.add_argument("--mac", metavar="MAC", help="default: the name of the --certs folder")
    parser.add_argument(
        "--count", type=options.whole(1), metavar="N", help="N boards, made of --certs keys/devices"
    )
    parser.add_argument(
        "--image", type=Path, metavar="FILE", help="firmware to start with (default: built as 1.0.0)"
    )
    parser.add_argument(
        "--runtime", choices=runtimes.END_TO_END, default="mp32", help="what the board runs (default: mp32)"
    )
    parser.add_argument(
        "--boot", choices=tuple(SLOTS), default="idf",
        help="boot loader: ESP-IDF's, W80x's, one slot only, or that of device/ports/generic (default: idf)",
    )  # fmt: skip
    parser.add_argument(
        "--epoch", type=int, choices=(1970, 2000), default=1970,
        help="the year in which the board's clock begins to count (default: 1970)",
    )  # fmt: skip
    parser.add_argument(
        "--heap", type=options.whole(16), metavar="KIB", help="MicroPython heap (default: 192, on 64 bit 288)"
    )
    parser.add_argument(
        "--real-ntp", action="store_true", help="ask the configured NTP hosts, not this machine"
    )
    parser.add_argument(
        "--repl",
        action="store_true",
        help="an unprovisioned board with a serial line; without FOLDER for this run",
    )
    parser.add_argument(
        "--port", type=options.any_port, default=PORT, help="TCP port of the serial line (%(default)s)"
    )
    parser.add_argument("--seconds", type=options.whole(1), metavar="N", help="take the power away after N s")


def run(args: argparse.Namespace) -> int:
    with contextlib.ExitStack() as stack:
        if not args.folder:
            if not args.repl:
                raise ToolError("give the FOLDER of the board, or --repl for an unprovisioned one")
            args.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ota-board-")), "board")
        boards = [stack.enter_context(board) for board in _boards(args)]
        ntp = None if args.real_ntp else stack.enter_context(NtpServer())
        for board in boards:
            name = f"{board.folder.name} " if args.count else ""
            board.on_line = lambda line, board=board, name=name: _show(board, name + line)
            board.use_ntp("127.0.0.1" if ntp else None, ntp.port if ntp else 123)
        return _run(boards, args.seconds)


def _boards(args: argparse.Namespace) -> list[SimBoard]:
    if not args.count and (args.folder / FACTS).exists():
        _refuse_what_is_for_new_ones(args, f"a new board, and {args.folder} is there")
    if not args.repl:
        options.refuse(args, ["--port"], "of the serial line, which there is with --repl")
        return [SimBoard(folder) for folder in _folders(args)]
    options.refuse(args, ["--count"], "not with --repl, which is one board")
    why = "not with --repl, an unprovisioned board, which `provision` gives these"
    options.refuse(args, ["--config", "--certs", "--image"], why)
    if not (args.folder / FACTS).exists():
        _create_unprovisioned(args)
    board = ReplBoard(args.folder, args.port)
    wifi = ", ".join(f"{name!r} with password {key!r}" for name, key in board.facts["networks"].items())
    print(f"board {board.facts['mac']} at {board.url}, in reach of the Wi-Fi {wifi}", flush=True)
    return [board]


def _refuse_what_is_for_new_ones(args: argparse.Namespace, why: str) -> None:
    options.refuse(args, OF_A_NEW_ONE, f"for {why}: leave it out, or give another FOLDER")


def _show(board: SimBoard, line: str) -> None:
    """What a client and the board say to each other is theirs: keys may be in it."""
    if not (isinstance(board, ReplBoard) and board.has_client):
        print(clean(line, keep="\t"), flush=True)


def _run(boards: list[SimBoard], seconds: int | None) -> int:
    """0 if they ran until their time was over, 1 if all ended by themselves."""
    deadline = time.monotonic() + seconds if seconds else None
    for board in boards:
        board.power_on()
    try:
        while not all(board.ended for board in boards) and (deadline is None or time.monotonic() < deadline):
            time.sleep(0.1)
    except KeyboardInterrupt:
        print("power off")
        return interrupts.EXIT_CODE
    return 1 if all(board.ended for board in boards) else 0


def _folders(args: argparse.Namespace) -> list[Path]:
    """One for each board; those that are not there are made."""
    if not args.count:
        _create(args, [(args.folder, args.certs)])
        return [args.folder]
    options.refuse(args, ["--mac"], "not with --count, each folder of --certs names its board")
    there = [path.parent for path in sorted(args.folder.glob(f"*/{FACTS}"))]
    if len(there) < args.count:
        certs = [path.parent for path in sorted(args.certs.glob("*/client.crt.der"))] if args.certs else []
        if len(certs) < args.count:
            raise ToolError(f"{args.certs} has {len(certs)} of {args.count} devices: `keys` makes more")
        there = [args.folder / path.name for path in certs[: args.count]]
        _create(args, list(zip(there, certs, strict=False)))
    else:
        _refuse_what_is_for_new_ones(args, f"new boards, and {args.folder} has {len(there)}")
    return there[: args.count]


def _create(args: argparse.Namespace, boards: list[tuple[Path, Path | None]]) -> None:
    """boards: (folder, its DER files); what is a board already stays as it is."""
    missing = [(folder, certs) for folder, certs in boards if not (folder / FACTS).exists()]
    if not missing:
        return
    if not (args.config and args.certs):
        raise ToolError(f"{args.folder} is not a board yet: give --config and --certs to make it")
    config = configfile.read(args.config)
    configfile.check(config, args.config)
    image = _image(args.image, config) if args.image else _build(config, args.runtime)
    for folder, certs in missing:
        if certs is None or not certs.is_dir():
            raise ToolError(f"{certs} is not a folder: make it with `python3 -m tools keys`")
        payload.certificates(certs)
        if not (args.mac or wire.is_mac(certs.name)):
            raise ToolError(f"{certs} is not named by a MAC: give keys/devices/<MAC>, or --mac")
        create(
            folder,
            image,
            config,
            certs,
            mac=pki.mac_of(args.mac or certs.name),
            runtime=args.runtime,
            boot_mode=args.boot,
            epoch=args.epoch,
            heap_kib=args.heap,
        )
        print(f"made a board in {folder}")


def _image(path: Path, config: dict) -> bytes:
    image, kind = imagecheck.read(path), _kind(config)
    found = imagecheck.check(image, path, "raw" if kind == "raw" else None)["kind"]
    if found != kind:
        raise ToolError(f'{path} is an image of kind {found}, but the configuration says "image": "{kind}"')
    return image


def _kind(config: dict) -> str:
    return config.get("image", "esp32")


def _create_unprovisioned(args: argparse.Namespace) -> None:
    create_unprovisioned(
        args.folder,
        mac=pki.mac_of(args.mac or MAC),
        networks=dict([WIFI]),
        runtime=args.runtime,
        boot_mode=args.boot,
        epoch=args.epoch,
        heap_kib=args.heap,
    )


def _build(config: dict, runtime: str) -> bytes:
    board = config.get("board") or "sim"
    return firmware.build_image("1.0.0", _kind(config), board, source=runtime == "cpython")
