"""The table of a signing key: multiples of its point, with which a board needs half the time for a signature.

device/ecdsa.py says what a comb is, device/keytable.py how the file is laid out.
"""

from __future__ import annotations

import functools
import hashlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools.errors import ToolError

HEAD = b"OTAC\x01"  # four letters and the number of the format
POINT = 65
TEETH, COLUMNS = 6, 43
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1

Point = tuple[int, int]


@functools.lru_cache(maxsize=8)
def build(key: bytes) -> bytes:
    """The content of a table file. key: 65-byte point or SubjectPublicKeyInfo. Raises ToolError."""
    numbers = public(key).public_numbers()
    point = numbers.x, numbers.y
    content = HEAD + b"\x04" + _octets(point) + comb(point)
    return content + hashlib.sha256(content).digest()


def check(table: bytes, key: bytes) -> None:
    """Raises ToolError if `table` is not, byte for byte, what belongs to the key."""
    if table != build(key):
        raise ToolError("the key table does not belong to the signing key: delete it and run `keys` again")


def public(key: bytes) -> ec.EllipticCurvePublicKey:
    """Of a 65-byte point or SubjectPublicKeyInfo, as boards take it. Raises ToolError."""
    found: object = None
    try:
        if len(key) == POINT:
            found = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
        else:
            found = serialization.load_der_public_key(key)
    except Exception:  # the library has a dozen ways to say "not a key I know"
        pass
    if not isinstance(found, ec.EllipticCurvePublicKey) or found.curve.name != "secp256r1":
        raise ToolError("this is not a public key on curve P-256: make the signing key with `keys`")
    return found


def comb(point: Point) -> bytes:
    """32 points: number i is the sum of six multiples, 2**(43 * t) times the point, of which the last is
    positive and each other positive if bit t of i is set, else negative."""
    teeth = [point]
    for _ in range(1, TEETH):
        point = teeth[-1]
        for _ in range(COLUMNS):
            point = _add(point, point)
        teeth.append(point)
    points = [teeth.pop()]
    for x, y in teeth:
        points = [_add(p, (x, _P - y)) for p in points] + [_add(p, (x, y)) for p in points]
    return b"".join(map(_octets, points))


def _add(a: Point, b: Point) -> Point:
    """Affine addition or doubling. The sum is never infinity here: a comb's multiples of the point are
    neither 0 nor, modulo the order, each other's opposite."""
    rise, run = (3 * (a[0] * a[0] - 1), 2 * a[1]) if a == b else (b[1] - a[1], b[0] - a[0])
    slope = rise * pow(run, -1, _P)
    x = (slope * slope - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _octets(point: Point) -> bytes:
    return point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")
