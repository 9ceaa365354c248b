"""Files of keys and certificates: written for their owner only, read and checked."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools import certificates, wholefile
from tools.certificates import Pair
from tools.errors import ToolError

ENCODINGS = {"pem": serialization.Encoding.PEM, "der": serialization.Encoding.DER}


class Folder:
    """One folder of private files. made, kept: the names of files, for the user."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made: list[str] = []
        self.kept: list[str] = []
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def pair(
        self, stem: str, make: Callable[[], Pair], ca: Pair | None = None, form: str = "pem"
    ) -> Pair:
        """Read <stem>.crt.<form> and <stem>.key.<form>, or make and write them.

        ca: who must have issued the certificate. Raises ToolError naming the file at fault.
        """
        names = (f"{stem}.key.{form}", f"{stem}.crt.{form}")
        there = [(self.path / name).exists() for name in names]
        if not any(there):
            pair = make()
            certificate = pair.certificate.public_bytes(ENCODINGS[form])
            self._write({names[0]: key_bytes(pair.key, form), names[1]: certificate})
            return pair
        for name, present, other in zip(names, there, reversed(names), strict=True):
            if not present:
                raise ToolError(f"{self.path / name} is missing: restore it or delete {other} too")
        self.kept += names
        return read_pair(self.path, stem, ca, form)

    def key(self, name: str) -> ec.EllipticCurvePrivateKey:
        path = self.path / name
        if path.exists():
            self.kept.append(name)
            return read_key(path)
        key = certificates.new_key()
        self._write({name: key_bytes(key, "pem")})
        return key

    def copy(self, name: str, content: bytes, renew: bool = False) -> None:
        """A public file that holds what follows from others. Raises ToolError if it holds another, unless
        it is to be renewed."""
        path = self.path / name
        if path.exists() and path.read_bytes() == content:
            self.kept.append(name)
            return
        if path.exists():
            if not renew:
                raise ToolError(f"{path} belongs to other keys: delete it and run this again")
            path.unlink()
        self._write({name: content})

    def _write(self, contents: dict[str, bytes]) -> None:
        """All of them or, on a full disk, none."""
        made = []
        try:
            for name, content in contents.items():
                handle = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                made.append(name)
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
        except OSError as error:
            error.filename = str(self.path / name)
            for name in made:
                (self.path / name).unlink()
            raise
        self.made += made


def write_pair(folder: Path, stem: str, pair: Pair, form: str = "pem") -> None:
    """Write a pair of any kind, e.g. a wrong one for a test. Raises ToolError if it is there."""
    target = Folder(folder)
    target.pair(stem, lambda: pair, form=form)
    if target.kept:
        raise ToolError(f"{folder / stem}.* exists already")


def read_pair(folder: Path, stem: str, ca: Pair | None = None, form: str = "pem") -> Pair:
    """Raises ToolError naming the file if the two do not belong together or to the authority."""
    path = folder / f"{stem}.crt.{form}"
    certificate = read_certificate(path)
    key_path = folder / f"{stem}.key.{form}"
    pair = Pair(certificate, read_key(key_path))
    if not certificates.matches(pair):
        raise ToolError(f"{key_path} is not the key of {path.name}: restore or delete both")
    if ca and not certificates.issued_by(certificate, ca.certificate):
        raise ToolError(f"{path} was issued by another CA: delete it and {key_path.name}")
    return pair


def read_certificate(path: Path) -> x509.Certificate:
    """PEM or DER, by the file's name. Raises ToolError naming the file."""
    is_pem = path.suffix == ".pem"
    load = x509.load_pem_x509_certificate if is_pem else x509.load_der_x509_certificate
    try:
        return load(wholefile.read(path))
    except (OSError, ValueError) as error:
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
        content = wholefile.read(path)
        if content.lstrip().startswith(b"-----BEGIN PUBLIC"):
            public = serialization.load_pem_public_key(content)
        else:
            public = serialization.load_der_public_key(content)
    except Exception:  # no file, no key, or one that the library does not know: read_key() says which
        return public_bytes(read_key(path))
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise ToolError(f"{path} is not an EC key on curve P-256 (prime256v1): make it with `keys`")
    return _info(public)
