"""Run a simulated board against any server: this project's, or a foreign broker and file host.

FOLDER is the board: its flash and its file system live there from run to run. It is made on the first
run, from a configuration file (the same ota.json a real board has) and a folder of DER files as `keys`
makes them. Later runs need the folder only. Ctrl-C takes the power away.

With --repl it is a board as it comes from the shop: stock MicroPython, an empty file system, and a serial
line on a TCP port, which mpremote, `provision`, `deploy` and `doctor` take for a USB port.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tools import configfile, firmware, pki
from tools.errors import ToolError
from tools.servers.ntp import NtpServer
from tools.simboard.board import SimBoard
from tools.simboard.factory import SLOTS, create, create_bare
from tools.simboard.replboard import ReplBoard
from tools.stage import MAC, WIFI

PORT = 2323


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", nargs="?")
    parser.add_argument("--config", type=Path, metavar="FILE", help="ota.json of a new board")
    parser.add_argument("--certs", type=Path, metavar="DIR", help="keys/devices/<MAC> of a new board")
    parser.add_argument("--mac", metavar="MAC", help="default: the name of the --certs folder")
    parser.add_argument(
        "--image", type=Path, metavar="FILE", help="firmware to start with (default: built as 1.0.0)"
    )
    parser.add_argument("--runtime", choices=("mp32", "mp64", "cpython"), default="mp32")
    parser.add_argument(
        "--boot", choices=tuple(SLOTS), default="idf",
        help="boot loader: ESP-IDF's, W80x's, one slot only, or that of ports/generic (default: idf)",
    )  # fmt: skip
    parser.add_argument("--epoch", type=int, choices=(1970, 2000), default=1970)
    parser.add_argument(
        "--heap", type=int, metavar="KIB", help="MicroPython heap (default: 192, on 64 bit 288)"
    )
    parser.add_argument(
        "--real-ntp", action="store_true", help="ask the configured NTP hosts, not this machine"
    )
    parser.add_argument(
        "--repl", action="store_true", help="a bare board with a serial line; without FOLDER for this run"
    )
    parser.add_argument(
        "--port", type=int, default=PORT, help="TCP port of the serial line (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=int, metavar="N", help="take the power away after N s")


def run(args: argparse.Namespace) -> int:
    if args.folder:
        return _open(args)
    if not args.repl:
        raise ToolError("give the FOLDER of the board, or --repl for a bare one")
    with tempfile.TemporaryDirectory(prefix="ota-board-") as folder:
        args.folder = Path(folder) / "board"
        return _open(args)


def _open(args: argparse.Namespace) -> int:
    if not (args.folder / "board.json").exists():
        (_create_bare if args.repl else _create)(args)
    board = ReplBoard(args.folder, args.port) if args.repl else SimBoard(args.folder)
    board.on_line = lambda line: _show(board, line)
    if isinstance(board, ReplBoard):
        wifi = ", ".join(f"{name!r} with password {key!r}" for name, key in board.facts["networks"].items())
        print(f"board {board.facts['mac']} at {board.url}, in reach of the Wi-Fi {wifi}", flush=True)
    if args.real_ntp:
        board.use_ntp(None, 123)
        return _run(board, args.seconds)
    with NtpServer() as ntp:
        board.use_ntp("127.0.0.1", ntp.port)
        return _run(board, args.seconds)


def _show(board: SimBoard, line: str) -> None:
    """What a client and the board say to each other is theirs: keys may be in it."""
    if not (isinstance(board, ReplBoard) and board.has_client):
        print(line, flush=True)


def _run(board: SimBoard, seconds: int | None) -> int:
    """0 if it ran until its power was taken, 1 if it ended by itself."""
    deadline = time.monotonic() + seconds if seconds else None
    with board:
        board.power_on()
        try:
            while not board.ended and (deadline is None or time.monotonic() < deadline):
                time.sleep(0.1)
        except KeyboardInterrupt:
            print("power off")
    return 1 if board.ended else 0


def _create(args: argparse.Namespace) -> None:
    if not (args.config and args.certs):
        raise ToolError(f"{args.folder} is no board yet: give --config and --certs to make it")
    config = configfile.read(args.config)
    if not args.certs.is_dir():
        raise ToolError(f"{args.certs} is no folder: make it with `python3 -m tools keys`")
    create(
        args.folder,
        args.image.read_bytes() if args.image else _build(config, args.runtime),
        config,
        args.certs,
        mac=pki.mac_of(args.mac or args.certs.name),
        runtime=args.runtime,
        boot_mode=args.boot,
        epoch=args.epoch,
        heap_kib=args.heap,
    )
    print(f"made a board in {args.folder}")


def _create_bare(args: argparse.Namespace) -> None:
    create_bare(
        args.folder,
        mac=pki.mac_of(args.mac or MAC),
        networks=dict([WIFI]),
        runtime=args.runtime,
        boot_mode=args.boot,
        epoch=args.epoch,
        heap_kib=args.heap,
    )


def _build(config: dict, runtime: str) -> bytes:
    kind = config.get("image", "esp32")
    board = config.get("board") or "sim"
    return firmware.build_image("1.0.0", kind, board, source=runtime == "cpython")
