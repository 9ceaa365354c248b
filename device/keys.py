"""Whose signature counts: the owner's key, and the one that is to follow it.

Both are files. An image that the next key has signed makes it the only one, once it is confirmed; the
image may bring the key that is to follow then, in its trailer. Beside a key X.der, X.tab may hold its table,
with which a check takes half as long.
"""

import hashlib

from micropython import const

from . import ecdsa, errors, files

_KEY_LIMIT = const(128)  # bytes
_TABLE_LIMIT = const(2304)


def check(config):
    """Raises OtaError(NO_INIT) without a current key."""
    if _read_key(config.signing_key) is None:
        what = "cannot read %s as a P-256 public key" % config.signing_key
        raise errors.OtaError(errors.NO_INIT, what)


def image_signer(transfer, sha):
    """The fingerprint of the key that signed the image of an update.Transfer; sha: its digest. Raises
    OtaError: SHA256_ECDSA, FLASH."""
    agent = transfer.agent
    found = signer(agent.config, sha, transfer.offer.signature, agent.report.error)
    if found is None:
        raise errors.OtaError(errors.SHA256_ECDSA, "not signed by the owner of this board")
    return found


def signer(config, digest, signature, report):
    """The fingerprint of the key that signed this digest (32 bytes) with this DER signature, or None.

    report(OtaError): called for a damaged table. Raises OtaError(FLASH).
    """
    from . import p256_comb  # noqa: F401 (for ecdsa; it is long, so it comes first)

    key = _read_key(config.signing_key)
    if key is None:
        raise errors.OtaError(errors.FLASH, "cannot read " + config.signing_key)
    if ecdsa.verify(key, digest, signature, _table(config.signing_key, key, report)):
        return _fingerprint(key)
    next_key = _read_key(config.next_signing_key)
    if next_key not in (None, key):
        if ecdsa.verify(next_key, digest, signature, _table(config.next_signing_key, next_key, report)):
            return _fingerprint(next_key)
    return None


def decode(text):
    """The bytes (DER or 65) of a public key in base64. Raises OtaError(HEADER_INVALID)."""
    from . import strict  # only an image that brings one needs it

    key = strict.base64(text)
    if key is None or ecdsa.public_point(key) is None:
        raise errors.OtaError(errors.HEADER_INVALID, "the key that the image brings is not one")
    return key


def adopt(config, fingerprint, brought):
    """The image that this key has signed is confirmed: the key before it is retired. brought: the next
    key that the image brings, see decode(), or "". Raises OtaError(FLASH); may be repeated.
    """
    current, path = config.signing_key, config.next_signing_key
    key = _read_key(path)
    try:
        if key is not None and _fingerprint(key) == fingerprint and key != _read_key(current):
            _install(current, key, _read_table(path))
        following = decode(brought) if brought else key
        if following != key:
            _install(path, following, b"")
    except (OSError, MemoryError) as error:
        raise errors.OtaError(errors.FLASH, "signing key: %s" % error)


def _table(path, key, report):
    """The table of a key; None without one, and if it is damaged."""
    data = _read_table(path)
    if not data:
        return None
    from . import keytable  # only boards that have a table need it

    try:
        return keytable.load(data, key)
    except errors.OtaError as error:
        report(error)
        return None


def _install(path, key, table):
    """The table first: cut in between, the key is not the new one yet, and all is done again."""
    files.replace(_table_path(path), table)
    files.replace(path, key)


def _table_path(path):
    return path.rsplit(".", 1)[0] + ".tab"


def _read_table(path):
    """The table of the key in this file; empty without one, or without the memory for it."""
    try:
        return files.read(_table_path(path), _TABLE_LIMIT)
    except (OSError, MemoryError):
        return b""


def _read_key(path):
    """A key that is one, as stored; None otherwise. On FAT a cut leaves it under its new name only."""
    for name in (path, path + ".new"):
        try:
            key = files.read(name, _KEY_LIMIT)
        except OSError:
            continue
        if ecdsa.public_point(key) is not None:
            return key
    return None


def _fingerprint(key):
    return hashlib.sha256(key[-64:]).digest()[:8].hex()
