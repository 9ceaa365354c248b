"""A folder of keys and certificates: makes what is missing, keeps and checks what is there.

broker-ca.key.pem, .crt.pem    issues the broker's, the server's and the devices' certificates
file-ca.key.pem, .crt.pem      issues the file server's certificate
broker, files (.key.pem, .crt.pem)    server certificates
ota-server (.key.pem, .crt.pem)       the client certificate of the server's side of MQTT
ota-server-1, -2 …                    the same of each server that only answers questions
broker-trust.crt.pem           all authorities whose client certificates the broker takes
sign.key.pem                   signs images
sign-next.key.pem, .pub.der, *-ca-next    what is to follow, see rotation.py
devices/<MAC>/                 what one board needs, in DER
server/                        what a server needs: of all these no key but its own
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from tools import certificates, keyfiles, keytable, rotation
from tools.certificates import Pair, Validity
from tools.errors import ToolError
from tools.keyfiles import Folder

SERVER_IDENTITY = "ota-server"
SERVERS = 2
CA_DAYS = 7300
DAYS = 3650
LOCAL_HOSTS = ("localhost", "127.0.0.1")
_HEX = set("0123456789ABCDEF")


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
    servers: int = SERVERS,
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
    retired = [keyfiles.read_certificate(path) for path in rotation.retired_authorities(folder)]
    trusted = [broker_ca.certificate, *_next_authority(folder, "broker"), *retired]
    validity = server_validity or certificates.valid_for(days)
    _server(top, "broker", broker_ca, hosts, validity)
    _server(top, "files", file_ca, hosts, validity)
    for name in (SERVER_IDENTITY, *(f"{SERVER_IDENTITY}-{number + 1}" for number in range(servers))):
        _client(top, name, name, broker_ca, days, "pem")
    top.copy("broker-trust.crt.pem", _bundle(trusted, "pem"), renew)
    public = _public_files(top, next_key)
    for name, ca in (("broker", broker_ca), ("file", file_ca)):
        bundle = [ca.certificate, *_next_authority(folder, name)]
        public[f"{name}_ca.der"] = _bundle(bundle, "der")
    made = [top]
    for mac in macs:
        made.append(_device(folder / "devices", mac, broker_ca, trusted, days))
        for name, content in public.items():
            made[-1].copy(name, content, renew)
    made.append(_server_folder(folder, public))
    return made


def _server_folder(folder: Path, public: dict[str, bytes]) -> Folder:
    """Copies, so that a server can be given these and nothing else: it can neither sign nor issue."""
    server = Folder(folder / "server")
    for stem in ("broker", "files", SERVER_IDENTITY, *answerers(folder)):
        for name in (f"{stem}.crt.pem", f"{stem}.key.pem"):
            server.copy(name, (folder / name).read_bytes(), renew=True)
    for name in ("broker-ca.crt.pem", "broker-trust.crt.pem", "file-ca.crt.pem"):
        server.copy(name, (folder / name).read_bytes(), renew=True)
    for name, content in public.items():
        if name.startswith("sign") and name.endswith(".der"):
            server.copy(name, content, renew=True)
    devices = Folder(server.path / "devices")
    for path in sorted(folder.glob("devices/*/client.crt.der")):
        devices.copy(f"{path.parent.name}.crt.der", path.read_bytes(), renew=True)
    return server


def answerers(folder: Path) -> list[str]:
    """The names in the certificates of servers that only answer questions."""
    return sorted(path.name.removesuffix(".crt.pem") for path in folder.glob(f"{SERVER_IDENTITY}-*.crt.pem"))


def _public_files(top: Folder, next_key: bool) -> dict[str, bytes]:
    """What boards need to check signatures, by file name: the keys, each with its table."""
    keys = {"sign_pub": keyfiles.public_bytes(top.key(rotation.SIGN))}
    path = top.path / rotation.SIGN_NEXT_PUBLIC
    if (path.with_name(rotation.SIGN_NEXT)).exists() or (next_key and not path.exists()):
        top.copy(path.name, keyfiles.public_bytes(top.key(rotation.SIGN_NEXT)))
    if path.exists():
        keys["sign_next"] = keyfiles.read_public(path)
    public = {}
    for name, key in keys.items():
        public[f"{name}.der"] = key
        public[f"{name}.tab"] = keytable.build(key)
    return public


def _authority(folder: Folder, stem: str, days: int) -> Pair:
    def make() -> Pair:
        name = stem.split("-")[0]
        return certificates.make_ca(f"OTA {name} CA", certificates.valid_for(days))

    return folder.pair(stem, make)


def _next_authority(folder: Path, name: str) -> list[x509.Certificate]:
    path = folder / f"{name}-ca-next.crt.pem"
    return [keyfiles.read_certificate(path)] if path.exists() else []


def _bundle(chosen: Sequence[x509.Certificate], form: str) -> bytes:
    return b"".join(one.public_bytes(keyfiles.ENCODINGS[form]) for one in chosen)


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
    return certificates.issued_by(keyfiles.read_certificate(path), ca)


def mac_of(text: str) -> str:
    """ "aa:bb:cc:dd:ee:ff" or without separators -> 12 upper-case hex digits."""
    mac = text.upper().replace(":", "").replace("-", "")
    if len(mac) != 12 or not set(mac) <= _HEX:
        raise ToolError(f"{text!r} is not a MAC address: give 12 hex digits")
    return mac
