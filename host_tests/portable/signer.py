"""A plain ECDSA signer on P-256, written from RFC 6979 and SEC 1. Points are affine, None is infinity.

It shares nothing with device.ecdsa, which it serves to verify, but the numbers of the curve: it multiplies
bit by bit, in homogeneous coordinates, with the one formula that is right for any two points.
"""

import hashlib

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
B = (G[1] * G[1] - G[0] ** 3 + 3 * G[0]) % P
SECRET = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721  # RFC 6979 A.2.5
NONCE = 0xA6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60  # there, for "sample"


def inverse(value, modulus):
    """By Euclid: pow(x, -1, n) is 0 in MicroPython, and pow(x, n - 2, n) takes six times as long there."""
    a, b, u, v = value % modulus, modulus, 1, 0
    while a:
        factor = b // a
        a, b, u, v = b - factor * a, a, v - factor * u, u
    return v % modulus


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * (a[0] * a[0] - 1) * inverse(2 * a[1], P)
    else:
        slope = (b[1] - a[1]) * inverse(b[0] - a[0], P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(factor, point):
    result, power = (0, 1, 0), (point[0], point[1], 1)
    while factor:
        if factor & 1:
            result = _add_any(result, power)
        power = _add_any(power, power)
        factor >>= 1
    x, y, z = result
    return (x * inverse(z, P) % P, y * inverse(z, P) % P) if z else None


def _add_any(a, b):
    """Renes, Costello, Batina: Complete addition formulas for prime order elliptic curves, 2016, with a = -3;
    equal points and infinity are not exceptions. A point is (X, Y, Z), x = X / Z and y = Y / Z."""
    (x1, y1, z1), (x2, y2, z2) = a, b
    xx, yy, zz = x1 * x2, y1 * y2, z1 * z2
    xy = (x1 + y1) * (x2 + y2) - xx - yy
    yz = (y1 + z1) * (y2 + z2) - yy - zz
    xz = (x1 + z1) * (x2 + z2) - xx - zz
    u, v = 3 * (xz - B * zz), 3 * (xx - zz) % P
    w = 3 * (B * xz - xx - 3 * zz) % P
    minus, plus = (yy - u) % P, (yy + u) % P
    return (xy * plus - yz * w) % P, (minus * plus + v * w) % P, (yz * minus + xy * v) % P


def raw_key(point):
    return b"\x04" + number(point[0]) + number(point[1])


def number(value):
    return value.to_bytes(32, "big")


def der(r, s):
    """SEQUENCE of two INTEGERs, each as short as it can be."""
    body = _integer(r) + _integer(s)
    return bytes([0x30, len(body)]) + body


def _integer(value):
    raw = value.to_bytes(40, "big").lstrip(b"\0") or b"\0"
    if raw[0] & 0x80:
        raw = b"\0" + raw
    return bytes([2, len(raw)]) + raw


_R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716  # x of NONCE * G
PUBLIC = (
    0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
    0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
)
KEY = raw_key(PUBLIC)


def sign_digest(digest):
    """DER signature by SECRET with the one fixed NONCE: for tests only, it gives the key away."""
    e = int.from_bytes(digest, "big")
    s = inverse(NONCE, N) * (e + _R * SECRET) % N
    return der(_R, s)


def sign(data):
    return sign_digest(hashlib.sha256(data).digest())
