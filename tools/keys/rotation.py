"""Keys and authorities that follow others: made long before they are needed, put in place when all boards
know them. What they replace goes to retired/, and is never deleted.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import PurePosixPath

from tools.errors import ToolError
from tools.keys import certificates, keyfiles
from tools.keys.keychange import Change

SIGN, SIGN_NEXT = "sign.key.pem", "sign-next.key.pem"
SIGN_PUBLIC, SIGN_NEXT_PUBLIC = "sign.pub.der", "sign-next.pub.der"  # enough wherever nobody signs
AUTHORITIES = ("broker", "file")  # which boards know, so their next ones are made in advance
IDENTITIES = ("ota-server.*.pem", "ota-server-*.*.pem")
ISSUED = ("broker.*.pem", "files.*.pem", *IDENTITIES)  # anew by a new authority
RETIRED = "retired"


def rotate_key(change: Change) -> None:
    """The next signing key becomes the current one. Raises ToolError if there is none."""
    if not change.has(SIGN_NEXT):
        path = change.folder / SIGN_NEXT
        raise ToolError(f"{path} is missing: bring it back, or make it with --next-key, long before")
    public = keyfiles.public_bytes(keyfiles.read_key(change.folder / SIGN_NEXT))
    if change.has(SIGN_NEXT_PUBLIC) and change.read(SIGN_NEXT_PUBLIC) != public:
        path = change.folder / SIGN_NEXT
        raise ToolError(f"{path} is not the key of {SIGN_NEXT_PUBLIC}, which boards know: restore that one")
    _retire(change, [SIGN, SIGN_PUBLIC])
    change.move(SIGN_NEXT, SIGN)
    change.write(SIGN_PUBLIC, public)
    copies = ("devices/*/sign_next.*", "server/sign_next.*")  # made anew if there is a next one
    for name in [SIGN_NEXT_PUBLIC, *(name for pattern in copies for name in change.names(pattern))]:
        change.remove(name)


def is_split(change: Change) -> bool:
    """Whether boards have an authority of their own."""
    return change.has("device-ca.crt.pem") or change.has("device-ca.key.pem")


def rotate_authorities(change: Change) -> set[str]:
    """The next authorities become the current ones; the servers' certificates have to be made anew, for the
    names that are returned.

    Boards keep theirs: the broker goes on trusting the retired authority. Where one authority issues for
    boards and servers and there is no next one, boards get one of their own, and need not hear of it.
    Raises ToolError.
    """
    names = [f"{name}-ca{{}}.{part}.pem" for name in AUTHORITIES for part in ("key", "crt")]
    missing = [name.format("-next") for name in names if not change.has(name.format("-next"))]
    if not is_split(change) and len(missing) == len(names):
        _split(change)
        return set()
    if missing:
        raise ToolError(f"{change.folder / missing[0]} is missing: make it with --next-ca, long before")
    servers = [name for name in ("broker.crt.pem", "files.crt.pem") if change.has(name)]
    hosts = {
        host for name in servers
        for host in certificates.hosts_of(
            keyfiles.parse_certificates(change.read(name), change.folder / name)[0]
        )
    }  # fmt: skip
    issued = [name for pattern in ISSUED for name in change.names(pattern)]
    devices = change.names("device-ca.*.pem")
    target = _retire(change, [*(name.format("") for name in names), *devices, *issued])
    if devices:  # it issued for servers alone: retired_authorities() must not find it
        for part in ("key", "crt"):
            change.move(f"{target}/broker-ca.{part}.pem", f"{target}/servers-ca.{part}.pem")
    for name in names:
        change.move(name.format("-next"), name.format(""))
    return hosts


def _split(change: Change) -> None:
    """The authority for all goes on as that of servers, and is one that boards had."""
    certificate = change.read("broker-ca.crt.pem")
    issued = [name for pattern in IDENTITIES for name in change.names(pattern)]
    change.write(f"{_retire(change, issued)}/broker-ca.crt.pem", certificate)


def retired_authorities(change: Change) -> list[str]:
    """The certificates of authorities of old that issued what boards still use."""
    found = change.names(f"{RETIRED}/*/device-ca.crt.pem")
    for name in change.names(f"{RETIRED}/*/broker-ca.crt.pem"):
        if not change.has(str(PurePosixPath(name).with_name("device-ca.crt.pem"))):
            found.append(name)  # it issued for boards too
    return sorted(found)


def _retire(change: Change, names: Iterable[str]) -> str:
    """Returns the folder."""
    target = f"{RETIRED}/{datetime.datetime.now():%Y-%m-%d-%H%M%S-%f}"
    for name in names:
        change.move(name, f"{target}/{name}")
    return target
