"""Puts a payload on a board: what has changed goes beside what is there, is checked by its hash, and takes
its place only when all of it is there."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from tools.errors import ToolError
from tools.image import firmware
from tools.realboard import payload
from tools.realboard.payload import Payload
from tools.realboard.session import Session

HOME = "lib/device"  # as in onboard/store.py
CHUNK = 1536  # bytes in one call: 2 KiB of base64
MPY_VERSION = 6  # of what mpy-cross makes here
BLOCK = 4096  # a file takes whole ones


@dataclass
class Result:
    """sent, unchanged, kept: paths on the board. built_in: the firmware holds the package. min_version: below
    which the board takes nothing, if it was set."""

    sent: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    built_in: bool = False
    min_version: str = ""


class Deployment:
    """One payload on its way to one board. on_progress gets bytes that have arrived and bytes in all."""

    def __init__(self, board: Session, on_progress: Callable[[int, int], None]) -> None:
        self._board = board
        self._on_progress = on_progress
        self._result = Result()
        board.load("store")
        board.load("modules")

    def has_package_built_in(self) -> bool:
        """Then it comes before one in /lib."""
        self._result.built_in = self._board.call("is_before_lib", firmware.PACKAGE)
        return self._result.built_in

    def has_umqtt(self) -> bool:
        """Other than by an earlier deploy."""
        return any(place != "/lib" for place in self._board.call("places", "umqtt.simple"))

    def check_mpy(self) -> None:
        answer = self._board.run("import sys\nprint(getattr(sys.implementation, '_mpy', 0) & 255)")
        version = int(answer.split()[-1])
        if version != MPY_VERSION:
            raise ToolError(
                f"this MicroPython takes .mpy files of version {version or 'none'}, mpy-cross here makes "
                f"{MPY_VERSION}: flash MicroPython 1.24 or newer, or give --source"
            )

    def choose_starters(self, overwrite: bool, brought: Collection[str]) -> dict[str, bytes]:
        """boot.py and main.py, but for those that are the user's own, unless told. brought: those that come
        with the application."""
        chosen = {}
        for name, content in payload.starters().items():
            if name in brought:
                continue
            line = self._board.call("first_line", name).strip()
            ours = content.decode().splitlines()[0].strip()
            stock = name == "boot.py" and line.startswith("#")
            if overwrite or line == ours or stock or not self._board.call("exists", name):
                chosen[name] = content
            else:
                self._result.kept.append(name)
        return chosen

    def put(self, wanted: Payload) -> Result:
        """Raises ToolError; then nothing of what the board runs has changed."""
        self._board.call("begin")
        changed = self._changed(wanted.files)
        live = self._board.call("live_package")
        package = {f"{HOME}/{name}": content for name, content in wanted.package.items()}
        same = self._unchanged(wanted.package, live) if live else []
        stale = bool(package) and not self._is_whole(wanted.package, live, same)
        if stale:
            kept = [f"{HOME}/{name}" for name in same]
            sent = {path: content for path, content in package.items() if path not in kept}
        else:
            kept, sent = [], {}
            self._result.unchanged += package
        if stale or changed:
            staged = (package if stale else {}) | changed
            self._require_space(sum(-(-len(content) // BLOCK) * BLOCK for content in staged.values()))
            self._stage(sent | changed, kept, live)
            self._verify(staged)
            obsolete = payload.other_forms(list(wanted.files))
            self._board.call("commit", stale, list(changed), obsolete)
        self._result.sent += [*sent, *changed]
        return self._result

    def _changed(self, files: dict[str, bytes]) -> dict[str, bytes]:
        there = self._board.call("digests", list(files))
        changed = {}
        for (path, content), digest in zip(files.items(), there, strict=True):
            if digest == _digest(content):
                self._result.unchanged.append(path)
            else:
                changed[path] = content
        return changed

    def _unchanged(self, package: dict[str, bytes], live: str) -> list[str]:
        there = self._board.call("digests", [f"{live}/{name}" for name in package])
        pairs = zip(package.items(), there, strict=True)
        return [name for (name, content), digest in pairs if digest == _digest(content)]

    def _is_whole(self, package: dict[str, bytes], live: str, same: list[str]) -> bool:
        """At its place, each file as it should be, and no other beside them."""
        if live != HOME or len(same) < len(package):
            return False
        there = self._board.call("list_files", live)
        return sorted(there) == sorted(f"{live}/{name}" for name in package)

    def _stage(self, sent: dict[str, bytes], kept: list[str], live: str) -> None:
        total = sum(map(len, sent.values()))
        done = 0
        for path in kept:
            self._board.call("keep", path.replace(HOME, live, 1), path)
        for path, content in sent.items():
            for start in range(0, max(1, len(content)), CHUNK):
                piece = content[start : start + CHUNK]
                self._board.call("put", path, base64.b64encode(piece), start == 0)
                done += len(piece)
                self._on_progress(done, total)

    def _require_space(self, needed: int) -> None:
        free = self._board.call("free_bytes")
        if free < needed:
            raise ToolError(
                f"the board's file system has {free // 1024} KiB free, {needed // 1024} KiB are needed for "
                "old and new files side by side: delete what is not needed with `mpremote fs rm`"
            )

    def _verify(self, staged: dict[str, bytes]) -> None:
        there = self._board.call("staged_digests", list(staged))
        for (path, content), digest in zip(staged.items(), there, strict=True):
            if digest != _digest(content):
                raise ToolError(f"{path} arrived damaged, nothing on the board has changed: run this again")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
