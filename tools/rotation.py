"""Keys and authorities that follow others: made long before they are needed, put in place when all boards
know them. What they replace is moved to retired/, never deleted.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

from tools import certificates, keyfiles
from tools.errors import ToolError

SIGN, SIGN_NEXT = "sign.key.pem", "sign-next.key.pem"
SIGN_NEXT_PUBLIC = "sign-next.pub.der"  # enough for new boards: the private half may be kept elsewhere
AUTHORITIES = ("broker", "file")
ISSUED = ("broker", "files", "ota-server", "ota-server-*")  # anew by a new authority
RETIRED = "retired"


def rotate_key(folder: Path) -> None:
    """The next signing key becomes the current one. Raises ToolError if there is none."""
    path = folder / SIGN_NEXT
    if not path.exists():
        raise ToolError(f"{path} is missing: bring it back, or make it with --next-key, long before")
    _retire(folder, [SIGN])
    path.rename(folder / SIGN)
    (folder / SIGN_NEXT_PUBLIC).unlink(missing_ok=True)
    for path in folder.glob("devices/*/sign_next.*"):  # public, and made anew if there is a next one
        path.unlink()


def rotate_authorities(folder: Path) -> set[str]:
    """The next authorities become the current ones; the servers' certificates have to be made anew, for the
    names that are returned.

    Boards keep theirs: the broker goes on trusting the retired authority. Raises ToolError.
    """
    names = [f"{name}-ca{{}}.{part}.pem" for name in AUTHORITIES for part in ("key", "crt")]
    for name in names:
        path = folder / name.format("-next")
        if not path.exists():
            raise ToolError(f"{path} is missing: make it with --next-ca, long before")
    servers = [folder / f"{stem}.crt.pem" for stem in ("broker", "files")]
    hosts = {
        host for path in servers if path.exists()
        for host in certificates.hosts_of(keyfiles.read_certificate(path))
    }  # fmt: skip
    issued = [path.name for stem in ISSUED for path in folder.glob(f"{stem}.*.pem")]
    _retire(folder, [*(name.format("") for name in names), *issued])
    for name in names:
        (folder / name.format("-next")).rename(folder / name.format(""))
    return hosts


def retired_authorities(folder: Path) -> list[Path]:
    """The certificates of brokers' authorities of old, which issued what boards still use."""
    return sorted((folder / RETIRED).glob("*/broker-ca.crt.pem"))


def _retire(folder: Path, names: Iterable[str]) -> None:
    target = folder / RETIRED / datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")
    target.mkdir(mode=0o700, parents=True)
    for name in names:
        if (folder / name).exists():
            (folder / name).rename(target / name)
