"""Whose signature counts: the owner's key, and the one that is to follow it.

Both are files. An image that the next key has signed makes it the only one, once it is confirmed; the
image may bring the key that is to follow then, in its trailer. Beside a key X.der, X.tab may hold its table,
with which a check takes half as long.
"""

import hashlib

from micropython import const

from . import ecdsa, errors, files, jsontext, keytable

_KEY_LIMIT = const(128)  # bytes
_TABLE_LIMIT = const(2304)


class KeyRing:
    def __init__(self, settings, report):
        """report(OtaError): called for a damaged table. Raises OtaError(NO_INIT) without a current key."""
        self._current = settings.signing_key
        self._next = settings.next_signing_key
        self._report = report
        if _read_key(self._current) is None:
            raise errors.OtaError(errors.NO_INIT, "cannot read %s as a P-256 public key" % self._current)

    def signer(self, digest, signature, room=b""):
        """The fingerprint of the key that signed this digest (32 bytes) with this DER signature, or None.
        room: a bytearray that a key's table may go into. Raises OtaError(FLASH)."""
        key = _read_key(self._current)
        if key is None:
            raise errors.OtaError(errors.FLASH, "cannot read " + self._current)
        following = _read_key(self._next)
        if ecdsa.verify(key, digest, signature, self._table(self._current, key, room)):
            return _fingerprint(key)
        if following not in (None, key):
            if ecdsa.verify(following, digest, signature, self._table(self._next, following, room)):
                return _fingerprint(following)
        return None

    @staticmethod
    def decode(text):
        """The bytes (DER or 65) of a public key in base64. Raises OtaError(HEADER_INVALID)."""
        key = jsontext.from_base64(text)
        if key is None or ecdsa.public_point(key) is None:
            raise errors.OtaError(errors.HEADER_INVALID, "the key that the image brings is none")
        return key

    def adopt(self, fingerprint, following):
        """The image that this key has signed is confirmed: the key before it is retired. following: the next
        key that the image brings, see decode(), or "". Raises OtaError(FLASH); may be repeated.
        """
        key = _read_key(self._next)
        try:
            if key is not None and _fingerprint(key) == fingerprint and key != _read_key(self._current):
                _install(self._current, key, _read_table(self._next))
            brought = self.decode(following) if following else key
            if brought != key:
                _install(self._next, brought, b"")
        except (OSError, MemoryError) as error:
            raise errors.OtaError(errors.FLASH, "signing key: %s" % error)

    def _table(self, path, key, room):
        """The table of a key; None without one, and if it is damaged."""
        data = _read_table(path, room)
        try:
            return keytable.load(data, key) if data else None
        except errors.OtaError as error:
            self._report(error)
            return None


def _install(path, key, table):
    """The table first: cut in between, the key is not the new one yet, and all is done again."""
    files.replace(_table_path(path), table)
    files.replace(path, key)


def _table_path(path):
    return path.rsplit(".", 1)[0] + ".tab"


def _read_table(path, room=b""):
    """The table of the key in this file; empty without one, or without the memory for it."""
    try:
        return files.read(_table_path(path), _TABLE_LIMIT, room)
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
