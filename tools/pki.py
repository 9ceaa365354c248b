"""A folder of keys and certificates: makes what is missing, keeps and checks what is there.

broker-ca.key.pem, .crt.pem    issues the broker's, the server's and the devices' certificates
file-ca.key.pem, .crt.pem      issues the file server's certificate
broker, files (.key.pem, .crt.pem)    server certificates
ota-server (.key.pem, .crt.pem)       the client certificate of the server's side of MQTT
broker-trust.crt.pem           all authorities whose client certificates the broker takes
sign.key.pem                   signs images
sign-next.key.pem, *-ca-next   what is to follow, see rotation.py
devices/<MAC>/                 what one board needs, in DER
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools import certificates, keytable, rotation
from tools.certificates import Pair, Validity
from tools.errors import ToolError

SERVER_IDENTITY = "ota-server"
CA_DAYS = 7300
DAYS = 3650
LOCAL_HOSTS = ("localhost", "127.0.0.1")
_ENCODINGS = {"pem": serialization.Encoding.PEM, "der": serialization.Encoding.DER}
_HEX = set("0123456789ABCDEF")


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
            self._write(names[0], key_bytes(pair.key, form))
            self._write(names[1], pair.certificate.public_bytes(_ENCODINGS[form]))
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
        self._write(name, key_bytes(key, "pem"))
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
        self._write(name, content)

    def _write(self, name: str, content: bytes) -> None:
        handle = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        self.made.append(name)


def make_all(
    folder: Path,
    macs: Sequence[str],
    server_names: Sequence[str] = (),
    *,
    ca_days: int = CA_DAYS,
    days: int = DAYS,
    server_validity: Validity | None = None,
    next_key: bool = False,
    next_ca: bool = False,
    renew: bool = False,
) -> list[Folder]:
    """Make everything that is missing; returns the folders with what was made and kept.

    server_names: DNS names and addresses besides those of this host. server_validity: overrides
    `days` for the broker's and the file server's certificates. next_key, next_ca: make those that
    are to follow, too. renew: public copies that follow from others may change. Raises ToolError.
    """
    macs = [mac_of(text) for text in macs]
    hosts = list(dict.fromkeys([*LOCAL_HOSTS, *server_names]))
    top = Folder(folder)
    broker_ca = _authority(top, "broker-ca", ca_days)
    file_ca = _authority(top, "file-ca", ca_days)
    if next_ca:
        for name in rotation.AUTHORITIES:
            _authority(top, f"{name}-ca-next", ca_days)
    retired = [read_certificate(path) for path in rotation.retired_authorities(folder)]
    trusted = [broker_ca.certificate, *_next_authority(folder, "broker"), *retired]
    top.copy("broker-trust.crt.pem", _bundle(trusted, "pem"), renew)
    validity = server_validity or certificates.valid_for(days)
    _server(top, "broker", broker_ca, hosts, validity)
    _server(top, "files", file_ca, hosts, validity)
    _client(top, SERVER_IDENTITY, SERVER_IDENTITY, broker_ca, days, "pem")
    public = _public_files(top, next_key)
    for name, ca in (("broker", broker_ca), ("file", file_ca)):
        bundle = [ca.certificate, *_next_authority(folder, name)]
        public[f"{name}_ca.der"] = _bundle(bundle, "der")
    made = [top]
    for mac in macs:
        made.append(_device(folder / "devices", mac, broker_ca, trusted, days))
        for name, content in public.items():
            made[-1].copy(name, content, renew)
    return made


def _public_files(top: Folder, next_key: bool) -> dict[str, bytes]:
    """What boards need to check signatures, by file name: the keys, each with its table."""
    keys = {"sign_pub": top.key(rotation.SIGN)}
    if next_key or (top.path / rotation.SIGN_NEXT).exists():
        keys["sign_next"] = top.key(rotation.SIGN_NEXT)
    public = {}
    for name, key in keys.items():
        public[f"{name}.der"] = public_bytes(key)
        public[f"{name}.tab"] = keytable.build(public_bytes(key))
    return public


def _authority(folder: Folder, stem: str, days: int) -> Pair:
    def make() -> Pair:
        name = stem.split("-")[0]
        return certificates.make_ca(f"OTA {name} CA", certificates.valid_for(days))

    return folder.pair(stem, make)


def _next_authority(folder: Path, name: str) -> list[x509.Certificate]:
    path = folder / f"{name}-ca-next.crt.pem"
    return [read_certificate(path)] if path.exists() else []


def _bundle(chosen: Sequence[x509.Certificate], form: str) -> bytes:
    return b"".join(one.public_bytes(_ENCODINGS[form]) for one in chosen)


def _server(folder: Folder, stem: str, ca: Pair, hosts: list[str], validity: Validity) -> None:
    def make() -> Pair:
        return certificates.issue(ca, hosts[-1], "server", validity, hosts)

    pair = folder.pair(stem, make, ca)
    missing = sorted(set(hosts) - certificates.hosts_of(pair.certificate))
    if missing:
        path = folder.path / stem
        raise ToolError(
            f"{path}.crt.pem does not name {', '.join(missing)}: delete it and"
            f" {path.name}.key.pem, then run this again with all names"
        )


def _client(folder: Folder, stem: str, name: str, ca: Pair, days: int, form: str) -> None:
    def make() -> Pair:
        return certificates.issue(ca, name, "client", certificates.valid_for(days))

    pair = folder.pair(stem, make, ca, form)
    if certificates.common_name(pair.certificate) != name:
        path = folder.path / stem
        raise ToolError(f"{path}.crt.{form} is not for {name}: delete it and {stem}.key.{form}")


def _device(
    parent: Path, mac: str, broker_ca: Pair, trusted: Sequence[x509.Certificate], days: int
) -> Folder:
    """A board keeps its certificate as long as the broker trusts whoever issued it."""
    Folder(parent)
    folder = Folder(parent / mac)
    path = folder.path / "client.crt.der"
    issuers = [one for one in trusted if path.exists() and _is_issued_by(path, one)]
    issuer = Pair(issuers[0], broker_ca.key) if issuers else broker_ca
    _client(folder, "client", mac, issuer, days, "der")
    return folder


def _is_issued_by(path: Path, ca: x509.Certificate) -> bool:
    return certificates.issued_by(read_certificate(path), ca)


def mac_of(text: str) -> str:
    """ "aa:bb:cc:dd:ee:ff" or without separators -> 12 upper-case hex digits."""
    mac = text.upper().replace(":", "").replace("-", "")
    if len(mac) != 12 or not set(mac) <= _HEX:
        raise ToolError(f"{text!r} is not a MAC address: give 12 hex digits")
    return mac


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
        return load(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ToolError(f"cannot read the certificate {path}: {error}") from None


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A private P-256 key without a password, PEM or DER, in a file that only its owner can read.

    Raises ToolError naming the file.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except OSError as error:
        raise ToolError(f"cannot read the key {path}: {error.strerror}") from None
    if mode & 0o077:
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
    return key.private_bytes(_ENCODINGS[form], private, serialization.NoEncryption())


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half as DER SubjectPublicKeyInfo, 91 bytes."""
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(_ENCODINGS["der"], info)
