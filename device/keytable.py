"""The table beside the signing key's file: what makes its signatures quick to check.

A table file: "OTAC", format 1, the 65-byte point it belongs to, its comb (see ecdsa), SHA-256 of all that.
Made and proven on the host, by tools/keytable.py. Here the digest finds accidents only: whoever can write
this file could as well write the key's.
"""

import hashlib

from micropython import const

from . import errors

_HEAD = b"OTAC\x01"
_POINT = const(65)
_COMB = const(32 * 64)
_DIGEST = const(32)


def load(data, key):
    """What ecdsa.verify() takes for `table`: a view into data, bytes. key: as for verify().

    Raises OtaError(NO_INIT): damaged, of another format or another key; the key still serves without.
    """
    end = len(data) - _DIGEST
    start = len(_HEAD) + _POINT
    if data[: len(_HEAD)] != _HEAD:
        problem = "no key table of format 1"
    elif end != start + _COMB or hashlib.sha256(memoryview(data)[:end]).digest() != data[end:]:
        problem = "damaged key table"
    elif data[len(_HEAD) : start] != key[-_POINT:]:
        problem = "key table of another key"
    else:
        return memoryview(data)[start:end]
    raise errors.OtaError(errors.NO_INIT, problem)
