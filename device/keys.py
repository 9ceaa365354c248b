"""Whose signature counts: the owner's key, and the one that is to follow it.

Both are files. An image that the next key has signed makes it the only one, once it is confirmed; the
image may bring the key that is to follow then, in its trailer. Beside a key X.der, X.tab may hold its table,
with which a check takes half as long.
"""

import hashlib

from micropython import const

from . import ecdsa, errors, files, phases

_KEY_LIMIT = const(128)  # bytes
_TABLE_LIMIT = const(2304)


def signer(agent, digest, signature, code):
    """The fingerprint of the key that signed this digest (32 bytes) with this DER signature. A damaged table
    is reported. Raises OtaError: FLASH, and this code if none of the owner's keys did.
    """
    from . import p256_comb  # noqa: F401 (for ecdsa; it is long, so it comes first)

    before = None
    for path in (agent.config.signing_key, agent.config.next_signing_key):
        key = read_key(path)
        if key is None and before is None:
            raise errors.OtaError(errors.FLASH, "cannot read " + path)
        if key not in (None, before) and ecdsa.verify(key, digest, signature, _table(agent, path, key)):
            return fingerprint(key)
        before = key
    raise errors.OtaError(code, "not signed by the owner of this board")


def _table(agent, path, key):
    """The table of a key; None without one, and if it is damaged."""
    data = read_table(path)
    if data:
        try:  # only boards that have a table need it
            return phases.call("keytable", "load", data, key)
        except errors.OtaError as error:
            agent.report.error(error)
    return None


def table_path(path):
    return path.rsplit(".", 1)[0] + ".tab"


def read_table(path):
    """The table of the key in this file; empty without one, or without the memory for it."""
    try:
        return files.read(table_path(path), _TABLE_LIMIT)
    except (OSError, MemoryError):
        return b""


def read_key(path):
    """A key that is one, as stored; None otherwise. On FAT a cut leaves it under its new name only."""
    for name in (path, path + ".new"):
        try:
            key = files.read(name, _KEY_LIMIT)
        except OSError:
            continue
        if ecdsa.public_point(key) is not None:
            return key
    return None


def fingerprint(key):
    return hashlib.sha256(key[-64:]).digest()[:8].hex()
