"""Notices that the server's folder of keys has changed while it is running: a revoked board, a new
certificate."""

from __future__ import annotations

from pathlib import Path

from tools import identities, keyfiles, revocation
from tools.errors import ToolError
from tools.identities import Login
from tools.servers.broker import Broker

_PAIRS = ("broker", "files")
_START_AGAIN = "this server has other certificates now: start `serve` again"
_BROKER = "other certificates, or some are revoked: the broker starts anew"
_OTHERS_BROKER = "other certificates, or some are revoked: have the broker start anew"
_DEVICES = "other devices"


class KeyWatch:
    """revoked: MACs. A change that the broker has to know of brings a new start of it."""

    def __init__(self, keys: Path) -> None:
        """Raises ToolError if the folder is damaged."""
        self._keys = keys
        self._seen = self._stamp()
        self._devices = self._stamp("devices/*.der")
        self._logins = self._read_logins()
        self._problem = ""
        self.revoked = revocation.revoked_devices(keys)

    def look(self, broker: Broker | None) -> str | None:
        """What to tell of a change; None where there is none. Takes as long as the broker needs to start.

        A folder that is damaged or just being copied, and a broker that does not start, are told once, and
        tried again at the next look.
        """
        try:
            return self._look(broker)
        except (ToolError, OSError) as error:
            is_known, self._problem = str(error) == self._problem, str(error)
            return None if is_known else self._problem

    def _look(self, broker: Broker | None) -> str | None:
        seen, devices = self._stamp(), self._stamp("devices/*.der")
        if (seen, devices) == (self._seen, self._devices):
            return None
        revoked = revocation.revoked_devices(self._keys)
        said = _DEVICES
        if seen != self._seen:
            for stem in _PAIRS:
                keyfiles.read_pair(self._keys, stem)
            if self._read_logins() != self._logins:
                said = _START_AGAIN
            elif broker:
                broker.restart()
                said = _BROKER
            else:
                said = _OTHERS_BROKER
        self._seen, self._devices, self.revoked, self._problem = seen, devices, revoked, ""
        return said

    def _read_logins(self) -> list[Login]:
        stems = [identities.SERVER_IDENTITY, *identities.answerers(self._keys)]
        return [identities.login(self._keys, stem) for stem in stems]

    def _stamp(self, pattern: str = "*.pem") -> list[tuple[str, int, int]]:
        found = [(path, path.stat()) for path in sorted(self._keys.glob(pattern))]
        return [(path.name, facts.st_mtime_ns, facts.st_size) for path, facts in found]
