"""Notices that the server's folder of keys has changed while it is running: a revoked board, a new certificate."""

from __future__ import annotations

from pathlib import Path

from tools import identities, keyfiles, revocation
from tools.identities import Login

_PAIRS = ("broker", "files")


class KeyWatch:
    """revoked: MACs. has_changed: whether the last look() found anything."""

    def __init__(self, keys: Path) -> None:
        """Raises ToolError if the folder is damaged."""
        self._keys = keys
        self._seen = self._stamp()
        self._devices = self._stamp("devices/*.der")
        self._logins = self._read_logins()
        self.has_changed = False
        self.revoked = revocation.revoked_devices(keys)

    def look(self) -> bool:
        """Whether the broker has to read its files anew. Raises ToolError for a folder that is damaged, or just
        being copied: it is looked at again the next time."""
        seen, devices = self._stamp(), self._stamp("devices/*.der")
        self.has_changed = (seen, devices) != (self._seen, self._devices)
        if not self.has_changed:
            return False
        revoked = revocation.revoked_devices(self._keys)
        is_of_broker = seen != self._seen
        if is_of_broker:
            for stem in _PAIRS:
                keyfiles.read_pair(self._keys, stem)
            self._read_logins()
        self._seen, self._devices, self.revoked = seen, devices, revoked
        return is_of_broker

    def has_other_logins(self) -> bool:
        """Whether this server is not any more who it was at its start: nothing helps but another start."""
        return self._read_logins() != self._logins

    def _read_logins(self) -> list[Login]:
        stems = [identities.SERVER_IDENTITY, *identities.answerers(self._keys)]
        return [identities.login(self._keys, stem) for stem in stems]

    def _stamp(self, pattern: str = "*.pem") -> list[tuple[str, int, int]]:
        found = [(path, path.stat()) for path in sorted(self._keys.glob(pattern))]
        return [(path.name, facts.st_mtime_ns, facts.st_size) for path, facts in found]
