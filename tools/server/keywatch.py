"""Notices that the server's folder of keys has changed while it is running: a revoked board, a new
certificate."""

from __future__ import annotations

from pathlib import Path

from tools import identities, keyfiles, revocation
from tools.identities import Login

_PAIRS = ("broker", "files")
_START_AGAIN = "this server has other certificates now: start `serve` again"
_BROKER = "other certificates or revoked ones: the broker has to start anew"


class KeyWatch:
    """revoked: MACs. is_of_broker: whether the last change is one that only a new start of the broker
    brings."""

    def __init__(self, keys: Path) -> None:
        """Raises ToolError if the folder is damaged."""
        self._keys = keys
        self._seen = self._stamp()
        self._devices = self._stamp("devices/*.der")
        self._logins = self._read_logins()
        self.is_of_broker = False
        self.revoked = revocation.revoked_devices(keys)

    def look(self) -> str | None:
        """What to tell of a change, "" if nothing; None where there is no change. Raises ToolError for a
        folder that is damaged, or just being copied: it is looked at again the next time."""
        seen, devices = self._stamp(), self._stamp("devices/*.der")
        if (seen, devices) == (self._seen, self._devices):
            return None
        revoked = revocation.revoked_devices(self._keys)
        has_new_files = seen != self._seen
        if has_new_files:
            for stem in _PAIRS:
                keyfiles.read_pair(self._keys, stem)
        is_another = has_new_files and self._read_logins() != self._logins
        self._seen, self._devices, self.revoked = seen, devices, revoked
        self.is_of_broker = has_new_files and not is_another
        return _START_AGAIN if is_another else _BROKER if has_new_files else ""

    def _read_logins(self) -> list[Login]:
        stems = [identities.SERVER_IDENTITY, *identities.answerers(self._keys)]
        return [identities.login(self._keys, stem) for stem in stems]

    def _stamp(self, pattern: str = "*.pem") -> list[tuple[str, int, int]]:
        found = [(path, path.stat()) for path in sorted(self._keys.glob(pattern))]
        return [(path.name, facts.st_mtime_ns, facts.st_size) for path, facts in found]
