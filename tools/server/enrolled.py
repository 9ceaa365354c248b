"""What the folder of keys says of the fleet, read as it comes: devices' certificates, who may sign."""

from __future__ import annotations

import os
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from tools import keyfiles
from tools.errors import ToolError
from tools.server import view
from tools.server.health import Health

_END = ".crt.der"


class Enrolled:
    """Files that are half written or cannot be read are told of, and read when they are whole."""

    def __init__(self, keys: Path, health: Health) -> None:
        self._keys = keys
        self._health = health
        self._read: dict[str, tuple[int, int]] = {}  # name -> time and size of the file, when it was read

    def new_devices(self) -> dict[str, float]:
        """MAC -> when its certificate ends, of those that are new or changed. In a thread, for there may be
        thousands."""
        found: dict[str, float] = {}
        wrong = set()
        for entry in self._entries():
            try:
                facts = entry.stat()
                mark = (facts.st_mtime_ns, facts.st_size)
                if self._read.get(entry.name) != mark:
                    ends = keyfiles.read_certificate(Path(entry.path)).not_valid_after_utc.timestamp()
                    self._read[entry.name] = mark
                    found[entry.name.removesuffix(_END)] = ends
            except (OSError, ToolError) as error:
                wrong.add(entry.path)
                self._health.bad(entry.path, str(error))
        self._health.keep(str(self._keys / "devices"), wrong)
        return found

    def _entries(self) -> list[os.DirEntry]:
        try:
            return [entry for entry in os.scandir(self._keys / "devices") if entry.name.endswith(_END)]
        except OSError:  # none yet
            return []

    def signing_keys(self) -> bytes:
        """The public halves, one after the other."""
        keys = b""
        for path in sorted(self._keys.glob("sign_*.der")):
            with self._health.attempt(str(path)):
                keys += _public_key(path)
        return keys

    def warnings(self) -> list[str]:
        """Of the server's own certificates that end soon, and of those who issued them."""
        found = []
        for path in sorted(self._keys.glob("*.crt.pem")):
            with self._health.attempt(str(path)):
                ends = keyfiles.read_certificate(path).not_valid_after_utc.timestamp()
                warning = view.certificate_warning(ends, time.time())
                found += [f"{path.name}: {warning}"] if warning else []
        return found


def _public_key(path: Path) -> bytes:
    key = path.read_bytes()
    try:
        serialization.load_der_public_key(key)
    except ValueError:
        raise ToolError(f"{path} is not a public key") from None
    return key
