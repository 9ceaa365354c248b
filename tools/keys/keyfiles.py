"""Files of keys and certificates: read and checked, or put into a change of their folder."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools.cli import wholefile
from tools.errors import ToolError
from tools.keys import certificates, keychange
from tools.keys.certificates import Pair
from tools.keys.keychange import Change

ENCODINGS = {"pem": serialization.Encoding.PEM, "der": serialization.Encoding.DER}


class Folder:
    """One folder inside a change of private files. made, kept: the names of files, for the user."""

    def __init__(self, change: Change, place: str = "") -> None:
        self.change = change
        self.path = change.folder / place
        self.made: list[str] = []
        self.kept: list[str] = []
        self._place = f"{place}/" if place else ""

    def has(self, name: str) -> bool:
        return self.change.has(self._place + name)

    def read(self, name: str) -> bytes:
        return self.change.read(self._place + name)

    def remove(self, name: str) -> None:
        self.change.remove(self._place + name)

    def pair(
        self, stem: str, make: Callable[[], Pair], ca: x509.Certificate | None = None, form: str = "pem"
    ) -> x509.Certificate:
        """The certificate in <stem>.crt.<form>; with <stem>.key.<form> it is made where both are missing.

        ca: who must have issued it. Raises ToolError naming the file at fault.
        """
        key_name, name = f"{stem}.key.{form}", f"{stem}.crt.{form}"
        if not self.has(name) and not self.has(key_name):
            pair = make()
            self.put(key_name, key_bytes(pair.key, form))
            self.put(name, pair.certificate.public_bytes(ENCODINGS[form]))
            return pair.certificate
        self.require(key_name, f"restore it or delete {name} too")
        return self.certificate(stem, ca, form)

    def certificate(
        self, stem: str, ca: x509.Certificate | None = None, form: str = "pem"
    ) -> x509.Certificate:
        """Of a pair whose private half may be kept elsewhere. Raises ToolError as pair() does."""
        key_name, name = f"{stem}.key.{form}", f"{stem}.crt.{form}"
        self.require(name, f"restore it or delete {key_name} too" if self.has(key_name) else "restore it")
        certificate = parse_certificates(self.read(name), self.path / name)[0]
        if self.has(key_name):
            if not certificates.matches(Pair(certificate, self.private(key_name))):
                raise ToolError(f"{self.path / key_name} is not the key of {name}: restore or delete both")
            self._keep(key_name)
        if ca and not certificates.issued_by(certificate, ca):
            raise ToolError(f"{self.path / name} was issued by another CA: delete it and {key_name}")
        self._keep(name)
        return certificate

    def private(self, name: str) -> ec.EllipticCurvePrivateKey:
        """Raises ToolError naming the file."""
        self.require(name, "it is needed now: restore it from where you keep it")
        if self.change.is_new(self._place + name):
            return parse_key(self.read(name), self.path / name)
        return read_key(self.path / name)

    def require(self, name: str, cure: str) -> None:
        if not self.has(name):
            raise ToolError(f"{self.path / name} is missing: {cure}")

    def copy(self, name: str, content: bytes, renew: bool = False) -> None:
        """A public file that holds what follows from others. Raises ToolError if it holds another, unless
        it is to be renewed."""
        if self.has(name) and not renew and self.read(name) != content:
            raise ToolError(f"{self.path / name} belongs to other keys: delete it and run this again")
        self.put(name, content)

    def put(self, name: str, content: bytes) -> None:
        if self.has(name) and self.read(name) == content:
            self._keep(name)
        else:
            self.change.write(self._place + name, content)
            self.made.append(name)

    def _keep(self, name: str) -> None:
        if name not in self.made and name not in self.kept:
            self.kept.append(name)


def write_pair(folder: Path, stem: str, pair: Pair, form: str = "pem") -> None:
    """Write a pair of any kind, e.g. a wrong one for a test. Raises ToolError if it is there."""
    with keychange.changing(folder) as change:
        target = Folder(change)
        target.pair(stem, lambda: pair, form=form)
        if target.kept:
            raise ToolError(f"{folder / stem}.* exists already")


def read_pair(folder: Path, stem: str, ca: Pair | None = None, form: str = "pem") -> Pair:
    """Raises ToolError naming the file if the two do not belong together or to the authority."""
    files = Folder(Change(folder))
    certificate = files.certificate(stem, ca.certificate if ca else None, form)
    return Pair(certificate, files.private(f"{stem}.key.{form}"))


def read_certificate(path: Path) -> x509.Certificate:
    """The first one in a file, PEM or DER. Raises ToolError naming the file."""
    return read_certificates(path)[0]


def read_certificates(path: Path) -> list[x509.Certificate]:
    """All of a file, one or more, PEM or DER. Raises ToolError naming the file."""
    try:
        content = wholefile.read(path)
    except OSError as error:
        raise ToolError(f"cannot read the certificate {path}: {error.strerror}") from None
    return parse_certificates(content, path)


def parse_certificates(content: bytes, path: Path) -> list[x509.Certificate]:
    try:
        return certificates.parse(content)
    except ValueError as error:
        raise ToolError(f"cannot read the certificate {path}: {error}") from None


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A private P-256 key without a password, PEM or DER, in a file that only its owner can read.

    Raises ToolError naming the file.
    """
    try:
        mode, content = path.stat().st_mode, wholefile.read(path)
    except OSError as error:
        raise ToolError(f"cannot read the key {path}: {error.strerror}") from None
    if stat.S_ISREG(mode) and mode & 0o077:
        raise ToolError(f"others may read the private key {path}: chmod 600 {path}")
    return parse_key(content, path)


def parse_key(content: bytes, path: Path) -> ec.EllipticCurvePrivateKey:
    pem = content.lstrip().startswith(b"-----")
    load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    try:
        key = load(content, None)
    except TypeError:
        raise ToolError(f"{path} has a password: boards and this tool need it without") from None
    except Exception:  # the library has a dozen ways to say "not a key I know"
        raise ToolError(f"{path} is not a private key in PEM or DER") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ToolError(f"{path} is not an EC key on curve P-256 (prime256v1): make it with `keys`")
    return key


def key_bytes(key: ec.EllipticCurvePrivateKey, form: str = "pem") -> bytes:
    """PKCS#8, which OpenSSL and MicroPython's mbedtls read."""
    private = serialization.PrivateFormat.PKCS8
    return key.private_bytes(ENCODINGS[form], private, serialization.NoEncryption())


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half as DER SubjectPublicKeyInfo, 91 bytes."""
    return _info(key.public_key())


def _info(public: ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(ENCODINGS["der"], serialization.PublicFormat.SubjectPublicKeyInfo)


def read_public(path: Path) -> bytes:
    """DER SubjectPublicKeyInfo of the public or private key in a file. Raises ToolError."""
    try:
        return parse_public(wholefile.read(path), path)
    except (OSError, ValueError):  # no file, or no public key: read_key() says which
        return public_bytes(read_key(path))


def parse_public(content: bytes, path: Path) -> bytes:
    """Raises ValueError for what is not a public key, ToolError for one of another kind."""
    pem = content.lstrip().startswith(b"-----BEGIN PUBLIC")
    load = serialization.load_pem_public_key if pem else serialization.load_der_public_key
    try:
        public = load(content)
    except Exception as error:  # the library has a dozen ways to say "not a key I know"
        raise ValueError(f"{path} is not a public key") from error
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise ToolError(f"{path} is not an EC key on curve P-256 (prime256v1): make it with `keys`")
    return _info(public)
