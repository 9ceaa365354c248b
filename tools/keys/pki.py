"""A folder of keys and certificates: makes what is missing, keeps and checks what is there.

broker-ca, file-ca, device-ca (.key.pem, .crt.pem)    who issues what, see authorities.py
broker, files (.key.pem, .crt.pem)    server certificates
ota-server (.key.pem, .crt.pem)       the client certificate of the server's side of MQTT
ota-server-1, -2 …                    the same of each server that only answers questions
broker-trust.crt.pem           all authorities whose boards the broker takes
revoked.crl.pem                boards' certificates that count no more, see revocation.py
sign.key.pem, sign.pub.der     signs images; the public half is enough wherever nobody signs
sign-next.key.pem, .pub.der, *-ca-next    what is to follow, see rotation.py
devices/<MAC>/                 what one board needs, in DER
server/                        what a server needs: of all these no key but its own
retired/                       what was replaced

A private key that others need not have may be kept elsewhere: whatever needs it says so by its name.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509

from tools.errors import ToolError
from tools.keys import (
    certificates,
    devicekeys,
    keychange,
    keyfiles,
    keytable,
    revocation,
    rotation,
)
from tools.keys.authorities import Authorities, Authority, KeyAwayError
from tools.keys.certificates import Pair, Validity
from tools.keys.devicekeys import mac_of
from tools.keys.identities import SERVER_IDENTITY
from tools.keys.keychange import Change
from tools.keys.keyfiles import Folder

SERVERS = 2
CA_DAYS = 7300
DAYS = 3650
LOCAL_HOSTS = ("localhost", "127.0.0.1")
SIGN_OLD = "server/sign_pub.der"  # where a folder of before has the public half
_FLEET = ("*-ca.*.pem", "sign*.pem", "sign*.der", "devices/*/*.der", "server/*.pem")


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
    rotate_key: bool = False,
    rotate_ca: bool = False,
    revoke: Sequence[str] = (),
    renew: bool = False,
    servers: int = SERVERS,
) -> list[Folder]:
    """Make everything that is missing, all or nothing; returns the folders with what was made and kept.

    server_names: DNS names and addresses besides those of this host. server_validity: overrides `days` for
    the broker's and the file server's certificates. next_key, next_ca: make those that are to follow, too.
    rotate_…: put them in place. revoke: MACs. renew: public copies that follow from others may change.
    Secrets are made in a folder of no fleet; in another a missing one is an error. Raises ToolError.
    """
    macs, revoke = ([mac_of(text) for text in given] for given in (macs, revoke))
    validity = server_validity or certificates.valid_for(days)
    with keychange.changing(folder) as change:
        is_new = not _is_fleet(change)
        top = Folder(change)
        renew |= next_key or next_ca or rotate_key or rotate_ca
        name, servers = _server_name(top), max(servers, _identity_count(change))
        if rotate_key:
            rotation.rotate_key(change)
        names = [*(sorted(rotation.rotate_authorities(change)) if rotate_ca else []), *server_names]
        ca = Authorities(top, ca_days, is_new, rotate_ca)
        if next_ca:
            ca.prepare_next()
        _server(top, "broker", ca.broker, names, validity)
        _server(top, "files", ca.file, names, validity)
        if rotate_ca and name == SERVER_IDENTITY:
            name = _new_name()
        _identities(top, name, servers, ca.broker, days)
        top.put("broker-trust.crt.pem", _bundle(ca.trusted, "pem"))
        public = _public_files(top, ca, next_key, is_new)
        gone = [one for mac in revoke for one in devicekeys.give_up(change, mac)]
        boards = _boards(change, [*macs, *(devicekeys.known(change) if renew else [])], ca, days)
        for board in boards:
            for copy, content in public.items():
                board.copy(copy, content, renew)
        _renew_lists(top, ca, gone)
        return [top, *boards, _server_folder(top, public)]


def is_fleet(folder: Path) -> bool:
    """Whether there are keys or certificates of one, whole or not."""
    return folder.is_dir() and (keychange.is_unfinished(folder) or _is_fleet(Change(folder)))


def _is_fleet(change: Change) -> bool:
    return any(change.names(pattern) for pattern in _FLEET)


def _server_name(top: Folder) -> str:
    """The name in the server's certificate, or a new one. Made once, so that it goes on after a
    rotation."""
    for name in (f"{SERVER_IDENTITY}.crt.pem", f"server/{SERVER_IDENTITY}.crt.pem"):
        if top.has(name):
            return certificates.common_name(keyfiles.parse_certificates(top.read(name), top.path / name)[0])
    return _new_name()


def _new_name() -> str:
    """Of this fleet alone, and a name that no board trusts."""
    return f"{SERVER_IDENTITY}-{secrets.token_hex(8)}"


def _boards(change: Change, macs: Iterable[str], ca: Authorities, days: int) -> list[Folder]:
    return [devicekeys.device(change, mac, ca, days) for mac in dict.fromkeys(macs)]


def _server_folder(top: Folder, public: dict[str, bytes]) -> Folder:
    """Copies, so that a server can be given these and nothing else: it can neither sign nor issue."""
    server = Folder(top.change, "server")
    stems = ("broker", "files", SERVER_IDENTITY, f"{SERVER_IDENTITY}-*")
    own = [
        name for stem in stems for part in ("crt", "key") for name in top.change.names(f"{stem}.{part}.pem")
    ]
    for name in top.change.names(f"server/{SERVER_IDENTITY}*.pem"):
        if name.removeprefix("server/") not in own:  # of a retired authority
            top.change.remove(name)
    for name in (*own, "broker-ca.crt.pem", "broker-trust.crt.pem", "file-ca.crt.pem", revocation.LISTS):
        if top.has(name):
            server.put(name, top.read(name))
    for name, content in public.items():
        if name.startswith("sign") and name.endswith(".der"):
            server.put(name, content)
    devicekeys.copy_for_server(top.change)
    return server


def _public_files(top: Folder, ca: Authorities, next_key: bool, is_new: bool) -> dict[str, bytes]:
    """What boards need to check servers and signatures: by file name CAs, and keys, each with its table."""
    keys = {"sign_pub": _public(top, rotation.SIGN, rotation.SIGN_PUBLIC, is_new)}
    if next_key or top.has(rotation.SIGN_NEXT) or top.has(rotation.SIGN_NEXT_PUBLIC):
        keys["sign_next"] = _public(top, rotation.SIGN_NEXT, rotation.SIGN_NEXT_PUBLIC, next_key)
    public = {f"{name}_ca.der": _bundle(ca.in_advance(name), "der") for name in rotation.AUTHORITIES}
    for name, key in keys.items():
        public[f"{name}.der"] = key
        public[f"{name}.tab"] = keytable.build(key)
    return public


def _public(top: Folder, private: str, public: str, is_wanted: bool) -> bytes:
    """The public half, which is kept beside the private one; both are made where there is neither."""
    if not top.has(private) and not top.has(public):
        if public == rotation.SIGN_PUBLIC and top.has(SIGN_OLD):
            top.put(public, top.read(SIGN_OLD))
        elif is_wanted:
            top.put(private, keyfiles.key_bytes(certificates.new_key()))
        else:
            top.require(private, f"restore it, or its public half {public}: a new one would fit no board")
    if top.has(private):
        content = keyfiles.public_bytes(top.private(private))
        if top.has(public) and top.read(public) != content:
            raise ToolError(f"{top.path / private} is not the key of {public}: restore the one that is")
        top.put(private, top.read(private))
        top.put(public, content)
    try:
        return keyfiles.parse_public(top.read(public), top.path / public)
    except ValueError as error:
        raise ToolError(f"{error}: restore it, or {private}") from None


def _bundle(chosen: Iterable[x509.Certificate], form: str) -> bytes:
    return b"".join(one.public_bytes(keyfiles.ENCODINGS[form]) for one in chosen)


def _server(top: Folder, stem: str, ca: Authority, names: list[str], validity: Validity) -> None:
    """Made anew, for the old names too, if it lacks one."""
    hosts = list(dict.fromkeys([*LOCAL_HOSTS, *names]))

    def make() -> Pair:
        return certificates.issue(ca.pair(), hosts[-1], "server", validity, hosts)

    known = certificates.hosts_of(top.pair(stem, make, ca.certificate))
    if not set(hosts) <= known:
        hosts = [*sorted(known - set(hosts)), *hosts]
        pair = make()
        top.put(f"{stem}.key.pem", keyfiles.key_bytes(pair.key))
        top.put(f"{stem}.crt.pem", pair.certificate.public_bytes(keyfiles.ENCODINGS["pem"]))


def _identity_count(change: Change) -> int:
    return len(change.names(f"{SERVER_IDENTITY}-*.crt.pem"))


def _identities(top: Folder, name: str, servers: int, ca: Authority, days: int) -> None:
    """Of the server that makes offers, and of those that only answer questions."""
    for end in ("", *(f"-{number + 1}" for number in range(servers))):
        devicekeys.client(top, f"{SERVER_IDENTITY}{end}", f"{name}{end}", ca, [ca.certificate], days)


def _renew_lists(top: Folder, ca: Authorities, gone: list[x509.Certificate]) -> None:
    """Without the key of an authority there is no list for its boards, and so none at all, until one is
    gone."""
    before = top.read(revocation.LISTS) if top.has(revocation.LISTS) else b""
    try:
        top.put(revocation.LISTS, revocation.renew(before, ca.trusted, gone, ca.key_of))
    except KeyAwayError:
        if before or gone:
            raise
    except ValueError as error:
        raise ToolError(f"cannot read {top.path / revocation.LISTS}: {error}") from None
