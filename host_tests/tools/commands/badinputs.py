"""Plays commands with bad inputs, in one process that may write only what the mode bits allow, and prints as
JSON what was wrong with how they ended. What is played follows from the options themselves: each is given
every value of its kind, the others being good.

    python badinputs.py begin FOLDER FULL OF COMMAND ...

FOLDER: empty, for the files of the test. FULL: a folder on a full disk, "" = there is none. One in OF cases
is played, the commit chooses.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import logging
import os
import resource
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from test_checkouts import without_privilege

from tools import __main__
from tools.cli import options
from tools.commands import bench, demo, push, simboard, test, torture
from tools.image import firmware, images, signing
from tools.keys import certificates, keyfiles, pki
from tools.server import pushes
from tools.server.service import Service
from tools.server.store import Store
from tools.testbed import sampling
from tools.testbed.testbed import MAC

LIMIT_S = 60  # for one case; only ends a hang
MEMORY = 3 << 30  # bytes of address space: a file without end is not read to its end
NOBODY = "socket://127.0.0.1:1"  # where no board answers: all else must be seen before
OPEN = "cannot open"
IMAGE = images.add_trailer(images.esp32_image(b"code" * 300), "1.0.0", "lamp", "May 24 2024 10:33:41")
CONFIG = {"wifi": [["home", "correct horse"]], "broker": "mqtts://localhost:1", "board": "lamp"}
KEYS = "{place}/keys"
OF_MAC = f"{KEYS}/devices/{MAC}"
# A good command line each, by positional and option.
GOOD: dict[str, dict[str, list[str]]] = {
    "demo": {}, "test": {}, "torture": {}, "bench": {},
    "serve": {"folder": ["{place}/server"], "--keys": [f"{KEYS}/server"], "--mqtt-port": ["0"],
              "--https-port": ["0"], "--http-port": ["0"]},
    "push": {"folder": ["{place}/server"], "image": ["{place}/image"], "offer": ["{place}/offer"],
             "--all": []},
    "devices": {"folder": ["{place}/server"]},
    "simboard": {"folder": ["{place}/new"], "--config": ["{place}/ota.json"], "--certs": [OF_MAC]},
    "keys": {"dir": [KEYS]},
    "provision": {"ports": [NOBODY], "--keys": [KEYS], "--wifi": ["a", "password"],
                  "--server": ["localhost"], "--board": ["lamp"]},
    "deploy": {"port": [NOBODY], "--config": ["{place}/ota.json"], "--certs": [OF_MAC]},
    "doctor": {"port": [NOBODY], "--offer": ["{place}/offer"]},
    "build": {"--version": ["1.0.0"], "--kind": ["esp32"], "--board": ["lamp"], "--output": ["{place}/out"]},
    "sign": {"image": ["{place}/image"], "--key": [f"{KEYS}/sign.key.pem"]},
}  # fmt: skip
MORE = {  # for a full disk: so that something is to be written
    "keys": {"dir": ["{place}/none"]}, "devices": {"--tag": ["tag", MAC]},
    "sign": {"--output-offer": ["{place}/none"], "--version": ["1.0.0"], "--board": ["lamp"],
             "image": ["{place}/application"]},
    "bench": {"--json": ["{place}/none"], "--plot": ["{place}/none.svg"]},
}  # fmt: skip
PATHS = {
    "missing": "{place}/none", "deep": "{place}/none/none", "folder": "{place}/folder",
    "text": "{place}/text",
    "below a file": "{place}/text/x", "empty": "{place}/empty", "binary": "{place}/binary",
    "object": "{place}/object.json", "list": "{place}/list.json", "nested": "{place}/nested",
    "too long": "{place}/" + "x" * 300,
    "no name": "{place}/\udcff", "loop": "{place}/loop", "not to be read": "{place}/closed",
    "in a folder not to be written": "{place}/shut/file", "folder not to be read": "{place}/secret",
    "/proc": "/proc/none/none", "/dev/full": "/dev/full", "/dev/null": "/dev/null",
    "full disk": "{full}/file",
}  # fmt: skip
NUMBERS = ("100000000000000000000", "99999", "-1", "1.5", "1e3", "x", "", "٣", "nan")
IS_TEXT = (None, str, options.text, options.name, options.host, options.prefix)
TEXTS = ("", " ", "x" * 5000, "\x1b[2J", "a\nb", "../..", "localhost:99999", "é", "\udcff", "{port}")


class Case(NamedTuple):
    """One command line. option: the one that is bad; kind: how."""

    command: str
    option: str
    kind: str
    value: str
    words: list[str]


def cases(command: str) -> Iterator[Case]:
    module = __main__.load(command)
    good = GOOD[command]
    for action in __main__.parser_of(module, command)._actions:
        option = action.option_strings[-1] if action.option_strings else action.dest
        if isinstance(action, argparse._HelpAction):
            continue
        for kind, value in _values(action):
            count = action.nargs if isinstance(action.nargs, int) else 1
            yield Case(command, option, kind, value, _line({**good, option: [value] * count}))
        if action.option_strings and len(option) > 4:
            typo = option[:-2] + option[-1]
            yield Case(command, option, "typo", typo, _line(good | {typo: [""]}))
    yield Case(command, "", "full disk", "", _line(good | MORE.get(command, {})))


def _values(action: argparse.Action) -> Iterator[tuple[str, str]]:
    if action.nargs == 0:
        return
    if action.type is Path or action.dest == "traceback":
        yield from PATHS.items()
    elif action.type in IS_TEXT and not action.choices:
        yield from ((f"text {text[:9]!r}", text) for text in TEXTS)
    else:
        yield from ((f"number {text}", text) for text in NUMBERS)
        if "port" in action.dest:
            yield "port taken", "{port}"


def _line(values: dict[str, list[str]]) -> list[str]:
    named = {name: words for name, words in values.items() if name.startswith("-")}
    first = [word for name, words in values.items() if name not in named for word in words]
    return [*first, *(word for name, words in named.items() for word in (name, *words))]


def make(place: Path) -> None:
    """Good files and bad ones."""
    pki.make_all(place / "keys", [MAC])
    key = keyfiles.read_key(place / "keys/sign.key.pem")
    (place / "image").write_bytes(IMAGE)
    (place / "application").write_bytes(images.esp32_image(b"code" * 300))
    (place / "offer").write_text(json.dumps(signing.offer(IMAGE, key, version="1.0.0", for_push=True)))
    (place / "ota.json").write_text(json.dumps(CONFIG))
    store = Store(place / "server", create=True)
    store.set_fact("signing_keys", keyfiles.public_bytes(key))
    pushes.add_devices(store, {MAC: time.time() + certificates.DAY.total_seconds()})
    store.close()
    for name in ("folder", "shut", "secret"):
        (place / name).mkdir()
    for name, content in {"text": b"Hello.\n", "empty": b"", "binary": bytes(range(256)) * 30,
                          "closed": b"{}",
                          "object.json": b'{"a": {"b": null}}', "list.json": b"[1, [], null]",
                          "nested": b"[" * 100_000}.items():  # fmt: skip
        (place / name).write_bytes(content)
    (place / "loop").symlink_to("loop")
    for name, mode in {"closed": 0, "shut": 0o555, "secret": 0}.items():
        (place / name).chmod(mode)


def _may_be_empty(path: Path) -> bool:
    """A new database, and a lock, which only says by whom it is held."""
    return path.name == "fleet.db" or path.suffix == ".lock"


def snapshot(place: Path) -> dict[str, str]:
    """What a command may not change unless it ends well. SQLite's and the broker's own files come and go."""
    found = {}
    for path in place.rglob("*"):
        if (
            path.is_symlink()
            or path.name.endswith(("-wal", "-shm", ".lock"))
            or place / "server/broker"
            in (
                path,
                *path.parents,
            )
        ):
            continue
        is_readable = path.is_file() and os.access(path, os.R_OK)
        content = path.read_bytes() if is_readable else b""
        found[str(path.relative_to(place))] = hashlib.sha256(content).hexdigest()
    return found


class Player:
    """full: a folder on a full disk, None = there is none here."""

    def __init__(self, folder: Path, full: Path | None) -> None:
        self.pristine, self.place, self.full = folder / "pristine", folder / "place", full
        self.pristine.mkdir()
        make(self.pristine)
        self.renew()
        self.taken = socket.create_server(("127.0.0.1", 0))

    def renew(self) -> None:
        """The files as they were at first."""
        for path in self.full.glob("file*") if self.full else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if self.place.exists():
            self.place.joinpath("secret").chmod(0o700)
            shutil.rmtree(self.place)
        for name in ("closed", "secret"):
            (self.pristine / name).chmod(0o700)
        shutil.copytree(self.pristine, self.place, symlinks=True)
        for place in (self.pristine, self.place):
            for name in ("closed", "secret"):
                (place / name).chmod(0)
        self.before = snapshot(self.place)

    def play(self, case: Case) -> dict[str, Any] | None:
        """How it ended; None if it cannot be played here."""
        if any("{full}" in word for word in case.words) and not self.full:
            return None
        port = str(self.taken.getsockname()[1])
        marks = {"{place}": str(self.place), "{full}": str(self.full), "{port}": port}
        words = [case.value, *case.words]
        for mark, value in marks.items():
            words = [word.replace(mark, value) for word in words]
        value, *words = words
        out, err, began = io.StringIO(), io.StringIO(), time.monotonic()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _bounded(not case.option):
            code, trace = _run([case.command, *words])
        after = snapshot(self.place)
        changed = sorted(name for name in {*after, *self.before} if after.get(name) != self.before.get(name))
        if self.full:
            left = [path for path in self.full.rglob("*") if path.is_file() and not path.stat().st_size]
            changed += [f"{path.name} is empty" for path in left if not _may_be_empty(path)]
        if changed or "full" in case.kind:
            self.renew()
        return {**case._asdict(), "code": code, "trace": trace, "err": err.getvalue(), "changed": changed,
                "value": value, "s": time.monotonic() - began}  # fmt: skip


def _run(argv: list[str]) -> tuple[Any, str]:
    try:
        return __main__.main(argv), ""
    except SystemExit as end:
        return end.code, ""
    except BaseException:
        return None, traceback.format_exc()[-1500:]


@contextlib.contextmanager
def _bounded(is_full: bool) -> Iterator[None]:
    """No case goes on for ever; is_full: no file may grow, as on a full disk."""
    signal.alarm(LIMIT_S)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if is_full:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _hang(*_: object) -> None:
    raise TimeoutError(f"it went on for {LIMIT_S} s")


async def _served(_: Service) -> None:
    """Instead of going on until it is ended."""


def main(folder: Path, full: str, of: int, commands: list[str]) -> None:
    signal.signal(signal.SIGALRM, _hang)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.disable()
    player = Player(folder, Path(full) if full else None)
    work = {  # what would take long, once all inputs have been looked at
        (demo.Demo, "play"): lambda self: 0, (test, "run_selection"): lambda rest: 1,
        (test, "find_programs"): None,
        (torture.fixture, "make"): lambda folder: sys.exit(0), (bench.measure, "measure"): lambda *_: {},
        (bench.server, "run"): lambda console: 0, (push, "_follow"): lambda *_: 0,
        (simboard, "_run"): lambda *_: 0,
        (simboard, "_build"): lambda *_: IMAGE, (Service, "run"): _served,
        (firmware, "contents"): lambda files, source: {name: b"" for name in files},
    }  # fmt: skip
    with contextlib.ExitStack() as stack:
        for (owner, name), stand_in in work.items():
            stack.enter_context(mock.patch.object(owner, name, stand_in or (lambda **_: sys.exit(0))))
        every = [case for command in commands for case in cases(command)]
        ended = [player.play(case) for index, case in enumerate(every) if sampling.chosen(index, of)]
    sys.__stdout__.write(json.dumps(ended))  # type: ignore[union-attr]


if __name__ == "__main__":
    if sys.argv[1] == "begin":
        without_privilege()
        os.execv(sys.executable, [sys.executable, __file__, *sys.argv[2:]])
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:])
