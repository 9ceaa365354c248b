"""The authorities (CAs) of a fleet: who issues what, and whose certificates count.

broker-ca issues the broker's certificate and those of servers, file-ca the file server's: boards trust
these. device-ca issues the boards', and the broker trusts it on the port for boards alone: the owner of its
key can make boards, but no server. A folder of before has no device-ca: broker-ca issues the boards' too,
until --rotate-ca.
"""

from __future__ import annotations

import secrets

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tools.errors import ToolError
from tools.keys import certificates, rotation
from tools.keys.certificates import Pair
from tools.keys.keyfiles import Folder, parse_certificates


class KeyAwayError(ToolError):
    """The private key of an authority is not in the folder."""


class Authority:
    """One of them. Its private key is read only when it issues something: it may be kept elsewhere."""

    def __init__(self, top: Folder, stem: str, certificate: x509.Certificate) -> None:
        self.certificate = certificate
        self._top = top
        self._stem = stem

    def pair(self) -> Pair:
        """Raises ToolError naming the key if it is missing."""
        return Pair(self.certificate, self._top.private(f"{self._stem}.key.pem"))


class Authorities:
    """broker, file, device: those that issue today. trusted: all that have issued boards' certificates."""

    def __init__(self, top: Folder, days: int, is_new: bool, is_rotated: bool) -> None:
        """is_new: make them all, in a folder of no fleet. is_rotated: boards are to get a new one. Raises
        ToolError if one is missing."""
        self._top = top
        self._days = days
        self.broker = self._there("broker-ca", is_new)
        self.file = self._there("file-ca", is_new)
        is_split = is_new or is_rotated or rotation.is_split(top.change)
        self.device = self._there("device-ca", is_new or is_rotated) if is_split else self.broker
        self.trusted = [self.device.certificate, *self._retired()]

    def prepare_next(self) -> None:
        for name in rotation.AUTHORITIES:
            self._there(f"{name}-ca-next", is_wanted=True)

    def in_advance(self, name: str) -> list[x509.Certificate]:
        """What boards are to trust: the current one and, if there is one, the next one."""
        current = {"broker": self.broker, "file": self.file}[name].certificate
        following = f"{name}-ca-next.crt.pem"
        return [current, *(self._parse(following) if self._top.has(following) else [])]

    def key_of(self, certificate: x509.Certificate) -> ec.EllipticCurvePrivateKey:
        """The private key of any of them, also of a retired one. Raises KeyAwayError without it."""
        change = self._top.change
        for name in [*change.names("*-ca.key.pem"), *change.names(f"{rotation.RETIRED}/*/*-ca.key.pem")]:
            key = self._top.private(name)
            if certificates.matches(Pair(certificate, key)):
                return key
        raise KeyAwayError(
            f"{change.folder} lacks the private key of {certificates.common_name(certificate)!r} of"
            f" {certificate.not_valid_before_utc:%Y-%m-%d}: restore it, it has to sign what is revoked"
        )

    def _there(self, stem: str, is_wanted: bool) -> Authority:
        def make() -> Pair:
            # A name of its own: two of the same name are told apart by a hash of their keys only.
            name = f"OTA {stem.split('-')[0]} CA {secrets.token_hex(4)}"
            return certificates.make_ca(name, certificates.valid_for(self._days))

        if is_wanted and not self._top.has(f"{stem}.crt.pem"):
            return Authority(self._top, stem, self._top.pair(stem, make))
        return Authority(self._top, stem, self._top.certificate(stem))

    def _retired(self) -> list[x509.Certificate]:
        return [one for name in rotation.retired_authorities(self._top.change) for one in self._parse(name)]

    def _parse(self, name: str) -> list[x509.Certificate]:
        return parse_certificates(self._top.read(name), self._top.path / name)
