"""Notices that the server's folder of keys has changed while it is running: a revoked board, a new
certificate."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tools.errors import ToolError
from tools.keys import identities, keyfiles, revocation
from tools.keys.identities import Login

_PAIRS = ("broker", "files")
_START_AGAIN = "this server has other certificates now: start `serve` again"
_BROKER = "other certificates, or some are revoked: the broker starts anew"
_OTHERS_BROKER = "other certificates, or some are revoked: have the broker start anew"
_DEVICES = "other devices"


class Change(NamedTuple):
    """What to log of it, and whether our own broker has to start anew."""

    text: str
    is_for_broker: bool = False


class KeyWatch:
    """revoked: MACs."""

    def __init__(self, keys: Path) -> None:
        """Raises ToolError if the folder is damaged."""
        self._keys = keys
        self._seen = self._files()
        self._devices = self._devices_changed_at()
        self._logins = self._read_logins()
        self._problem = ""
        self.revoked: frozenset[str] = frozenset()
        self.read_revoked()

    def look(self, has_broker: bool) -> Change | None:
        """None where nothing has changed.

        A folder that is damaged or just being copied is told of once, and tried again at the next look.
        """
        try:
            return self._look(has_broker)
        except (ToolError, OSError) as error:
            is_known, self._problem = str(error) == self._problem, str(error)
            return None if is_known else Change(self._problem)

    def read_revoked(self) -> None:
        """Raises ToolError if a file of it is damaged."""
        self.revoked = frozenset(revocation.revoked_devices(self._keys))

    def _look(self, has_broker: bool) -> Change | None:
        seen, devices = self._files(), self._devices_changed_at()
        if (seen, devices) == (self._seen, self._devices):
            return None
        self.read_revoked()
        change = Change(_DEVICES)
        if seen != self._seen:
            for stem in _PAIRS:
                keyfiles.read_pair(self._keys, stem)
            is_same = self._read_logins() == self._logins
            change = Change(_BROKER if has_broker else _OTHERS_BROKER, has_broker)
            change = change if is_same else Change(_START_AGAIN)
        self._seen, self._devices, self._problem = seen, devices, ""
        return change

    def _read_logins(self) -> list[Login]:
        stems = [identities.SERVER_IDENTITY, *identities.answerers(self._keys)]
        return [identities.login(self._keys, stem) for stem in stems]

    def _files(self) -> list[tuple[str, int, int]]:
        found = [(path, path.stat()) for path in sorted(self._keys.glob("*.pem"))]
        return [(path.name, facts.st_mtime_ns, facts.st_size) for path, facts in found]

    def _devices_changed_at(self) -> int:
        """When a file was last moved there, in ns: there may be thousands."""
        folder = self._keys / "devices"
        return folder.stat().st_mtime_ns if folder.exists() else 0
