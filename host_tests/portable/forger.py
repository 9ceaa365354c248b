"""What the tests of device.ecdsa need besides an valid signer: tables, and signatures made to measure.

A table is computed here by signer's plain arithmetic, so it also checks tools.keys.keytable.
"""

import hashlib

import signer
from signer import G, N, P, der, inverse, number

from device import ecdsa

_tables = {}


def comb(point):
    """The bytes of a comb: for each choice of five signs, the lowest tooth's in bit 0 of its number."""
    teeth = [point]
    for _ in range(5):
        teeth.append(signer.multiply(2**43, teeth[-1]))
    points = [teeth[5]]
    for tooth in teeth[:5]:
        points = [signer.add(p, mirrored(tooth)) for p in points] + [signer.add(p, tooth) for p in points]
    return b"".join([number(x) + number(y) for x, y in points])


def table_file(point):
    """A table file as device.keytable reads it."""
    content = b"OTAC\x01" + signer.raw_key(point) + comb(point)
    return content + hashlib.sha256(content).digest()


def table_of(key):
    """The comb of a key if it is one, else that of signer's key; a few are kept, as they are slow to make."""
    point = ecdsa.public_point(key) or signer.PUBLIC
    if point not in _tables:
        if len(_tables) == 4:
            _tables.clear()
        _tables[point] = comb(point)
    return _tables[point]


def verified(key, digest, signature):
    """What both forms of verify say; AssertionError if they differ or say anything but True or False."""
    plain = ecdsa.verify(key, digest, signature)
    quick = ecdsa.verify(key, digest, signature, table_of(key))
    assert plain is quick and plain in (True, False), (plain, quick, key, digest, signature)
    return plain


def refuse(key, digest, signature):
    assert verified(key, digest, signature) is False, (key, digest, signature)


def accept(key, digest, signature):
    """It is good; and it is not for the digest with its last bit changed."""
    assert verified(key, digest, signature) is True, (key, digest, signature)
    refuse(key, digest[:31] + bytes([digest[31] ^ 1]), signature)


def forge(point, u1, u2):
    """(digest, signature) good for the key `point`, of which verify computes u1 * G + u2 * point."""
    r = signer.add(signer.multiply(u1, G), signer.multiply(u2, point))[0] % N
    s = r * inverse(u2, N) % N
    return number(u1 * s % N), der(r, s)


def recover(point, r, s, e):
    """The key for which verify computes exactly `point` from r, s and the digest e."""
    sum_ = signer.add(signer.multiply(s, point), signer.multiply(N - e, G))
    return signer.multiply(inverse(r, N), sum_)


def mirrored(point):
    return point[0], P - point[1]


def point_at(x):
    """The point with this x and an even y; AssertionError if there is none."""
    square = (x * x * x - 3 * x + signer.B) % P
    y = pow(square, (P + 1) // 4, P)
    assert y * y % P == square, "no point there"
    return x, P - y if y & 1 else y
