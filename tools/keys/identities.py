"""The names of servers at the broker: whose certificate says so, and who may log in as a server.

A client id, which is the name in the certificate, is unique to a fleet: two servers of the same id throw each
other out. The user name that has a server's rights is another one, which follows from the private key: nobody
without that key knows it, whatever certificates he can make.
"""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import NamedTuple

from tools.keys import certificates, keyfiles

SERVER_IDENTITY = "ota-server"  # stem of the files of the one that takes reports and makes offers


class Login(NamedTuple):
    """What a server says in its CONNECT."""

    client_id: str
    user: str


def login(keys: Path, stem: str = SERVER_IDENTITY) -> Login:
    """Raises ToolError naming the file."""
    name = certificates.common_name(keyfiles.read_certificate(keys / f"{stem}.crt.pem"))
    key = keyfiles.key_bytes(keyfiles.read_key(keys / f"{stem}.key.pem"), "der")
    return Login(name, hmac.new(key, b"mqtt user", "sha256").hexdigest())


def answerers(keys: Path) -> list[str]:
    """The stems of servers that only answer questions."""
    return sorted(path.name.removesuffix(".crt.pem") for path in keys.glob(f"{SERVER_IDENTITY}-*.crt.pem"))
