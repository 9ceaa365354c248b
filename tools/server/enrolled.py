"""What the folder of keys says of the fleet, read as it comes: devices' certificates, which of them are
revoked, who may sign."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from tools.errors import ToolError
from tools.keys import keyfiles
from tools.server import clock, pushes, view
from tools.server.health import TROUBLE, Health
from tools.server.keywatch import KeyWatch
from tools.server.states import REVOKED
from tools.server.store import Store
from tools.server.supervision import Supervision

LOOK_S = 5
CERTIFICATES_S = 60  # where nothing says that there is another one
_END = ".crt.der"


class Enrolled:
    """Files that are half written or cannot be read are logged, and read when they are whole. log(mac,
    text): the log."""

    def __init__(self, keys: Path, store: Store, health: Health, log: Callable[[str, str], None]) -> None:
        """Raises ToolError if the server's own files are damaged."""
        self._keys = keys
        self._store = store
        self._health = health
        self._log = log
        self._watch = KeyWatch(keys)
        self._read: dict[str, tuple[int, int]] = {}  # name -> time and size of the file, when it was read

    @property
    def revoked(self) -> frozenset[str]:
        """MACs."""
        return self._watch.revoked

    def begin(self) -> None:
        devices, wrong = self.new_devices()
        self._tell_wrong(wrong)
        self._note(devices)
        for warning in self._warnings():
            self._log("", warning)

    async def run(self, supervision: Supervision | None) -> None:
        """Until cancelled. A new start of our own broker ends a revoked board's connection; everybody else's
        comes back."""
        devices: dict[str, float] = {}  # not yet written down
        looked = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            change = await asyncio.to_thread(self._watch.look, supervision is not None)
            if change:
                self._log("", change.text)
            if change and change.is_for_broker and supervision:
                await supervision.restart()
            if not change and time.monotonic() - looked < CERTIFICATES_S:
                continue
            looked = time.monotonic()
            found, wrong = await asyncio.to_thread(self.new_devices)
            devices.update(found)
            self._tell_wrong(wrong)
            with contextlib.suppress(*TROUBLE):  # told when the next flush fails, too
                if devices:
                    await asyncio.to_thread(self._watch.read_revoked)
                self._note(devices)
                devices.clear()

    def _note(self, devices: dict[str, float]) -> None:
        """devices: MAC -> when its certificate expires."""
        devices = devices | dict.fromkeys(self.revoked, REVOKED)
        if devices:
            pushes.add_devices(self._store, devices)
        keys = self._signing_keys()
        if keys != self._store.fact("signing_keys"):
            self._store.set_fact("signing_keys", keys)

    def _tell_wrong(self, wrong: dict[str, str]) -> None:
        for path, why in wrong.items():
            self._health.bad(path, why)
        self._health.keep(str(self._keys / "devices"), set(wrong))

    def new_devices(self) -> tuple[dict[str, float], dict[str, str]]:
        """MAC -> when its certificate expires, of those new or changed; path -> what is wrong with it.
        In a thread, for there may be thousands."""
        found: dict[str, float] = {}
        wrong: dict[str, str] = {}
        for entry in self._entries():
            try:
                facts = entry.stat()
                mark = (facts.st_mtime_ns, facts.st_size)
                if self._read.get(entry.name) != mark:
                    ends = keyfiles.read_certificate(Path(entry.path)).not_valid_after_utc.timestamp()
                    self._read[entry.name] = mark
                    found[entry.name.removesuffix(_END)] = ends
            except (OSError, ToolError) as error:
                wrong[entry.path] = str(error)
        return found, wrong

    def _entries(self) -> list[os.DirEntry]:
        try:
            return [entry for entry in os.scandir(self._keys / "devices") if entry.name.endswith(_END)]
        except OSError:  # none yet
            return []

    def _signing_keys(self) -> bytes:
        """The public halves, one after the other."""
        keys = b""
        for path in sorted(self._keys.glob("sign_*.der")):
            with self._health.attempt(str(path)):
                keys += keyfiles.read_public(path)
        return keys

    def _warnings(self) -> list[str]:
        """Of the server's own certificates that end soon, and of those who issued them."""
        found = []
        for path in sorted(self._keys.glob("*.crt.pem")):
            with self._health.attempt(str(path)):
                found_there = keyfiles.read_certificates(path)
                ends = min(one.not_valid_after_utc.timestamp() for one in found_there)
                warning = view.certificate_warning(ends, clock.of(self._store))
                found += [f"{path.name}: {warning}"] if warning else []
        return found
