"""ECDSA signature check on P-256 with SHA-256, on MicroPython's big integers.

Jacobian coordinates and interleaved width-5 NAF (Hankerson, Menezes, Vanstone: Guide to Elliptic
Curve Cryptography, algorithms 3.21, 3.22, 3.36, 3.51). Nothing here is secret, so nothing needs
constant time. `pow` is avoided: MicroPython's `pow(x, -1, n)` silently returns 0.
"""

from micropython import const

_P = const(0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF)
_N = const(0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551)
_B = const(0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B)
_GX = const(0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296)
_GY = const(0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)

_INFINITY = (0, 1, 0)
_POINT = const(65)  # uncompressed: 04, x, y
_SPKI_PREFIX = (  # RFC 5480: id-ecPublicKey, prime256v1, a BIT STRING of 65 bytes
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
    b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"
)


def verify(key, digest, signature):
    """key: 65-byte uncompressed point or SubjectPublicKeyInfo; digest: 32 bytes; signature: DER.

    Returns True or False; bad input of any content is False.
    """
    point = public_point(key)
    numbers = _der_integers(signature)
    if point is None or numbers is None or len(digest) != 32:
        return False
    r, s = numbers
    if not (0 < r < _N and 0 < s < _N):
        return False
    w = _inverse(s, _N)
    e = int.from_bytes(digest, "big")
    x, _, z = _two_products(e * w % _N, (_GX, _GY), r * w % _N, point)
    if z == 0:
        return False
    zz = z * z % _P
    return x == r * zz % _P or (r + _N < _P and x == (r + _N) * zz % _P)


def public_point(key):
    """(x, y) of a public key that lies on the curve, else None."""
    if len(key) == len(_SPKI_PREFIX) + _POINT and key[: len(_SPKI_PREFIX)] == _SPKI_PREFIX:
        key = key[len(_SPKI_PREFIX) :]
    if len(key) != _POINT or key[0] != 4:
        return None
    x = int.from_bytes(key[1:33], "big")
    y = int.from_bytes(key[33:65], "big")
    if x >= _P or y >= _P or (y * y - (x * x - 3) * x - _B) % _P:
        return None
    return x, y


def _der_integers(der):
    """SEQUENCE of two INTEGERs, minimal and with nothing after them -> (r, s), else None."""
    if not 8 <= len(der) <= 72 or der[0] != 0x30 or der[1] != len(der) - 2:
        return None
    r, position = _der_integer(der, 2)
    if r is None:
        return None
    s, position = _der_integer(der, position)
    if s is None or position != len(der):
        return None
    return r, s


def _der_integer(der, start):
    if start + 3 > len(der) or der[start] != 0x02:
        return None, 0
    length = der[start + 1]
    first = start + 2
    end = first + length
    if not 1 <= length <= 33 or end > len(der) or der[first] & 0x80:
        return None, 0
    if length > 1 and der[first] == 0 and not der[first + 1] & 0x80:
        return None, 0
    return int.from_bytes(der[first:end], "big"), end


def _inverse(a, modulus):
    """a**-1 by the extended Euclidean algorithm; a must not be 0 modulo a prime modulus."""
    old, new = modulus, a % modulus
    x_old, x_new = 0, 1
    while new:
        quotient = old // new
        old, new = new, old - quotient * new
        x_old, x_new = x_new, x_old - quotient * x_new
    return x_old % modulus


def _double(x, y, z):
    delta = z * z % _P
    gamma = y * y % _P
    beta = x * gamma % _P
    alpha = 3 * (x - delta) * (x + delta) % _P
    x3 = (alpha * alpha - 8 * beta) % _P
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % _P, 2 * y * z % _P


def _add(x1, y1, z1, x2, y2):
    """Jacobian point plus affine point."""
    if z1 == 0:
        return x2, y2, 1
    zz = z1 * z1 % _P
    h = (x2 * zz - x1) % _P
    r = (y2 * (zz * z1 % _P) - y1) % _P
    if h == 0:
        return _double(x1, y1, z1) if r == 0 else _INFINITY
    hh = h * h % _P
    hhh = h * hh % _P
    v = x1 * hh % _P
    x3 = (r * r - hhh - 2 * v) % _P
    return x3, (r * (v - x3) - y1 * hhh) % _P, z1 * h % _P


def _odd_multiples(point):
    """[P, 3P, 5P ... 15P], affine. The points are of prime order, so none of them is infinity."""
    x, y, z = _double(point[0], point[1], 1)
    inverse = _inverse(z, _P)
    square = inverse * inverse % _P
    twice = (x * square % _P, y * square * inverse % _P)
    table = [point]
    x, y, z = point[0], point[1], 1
    for _ in range(7):
        x, y, z = _add(x, y, z, twice[0], twice[1])
        inverse = _inverse(z, _P)
        square = inverse * inverse % _P
        table.append((x * square % _P, y * square * inverse % _P))
    return table


def _naf(k):
    """Width-5 non-adjacent form of k < 2**256: 257 digits, low first, each 0 or odd in -15..15,
    kept as digit + 16."""
    digits = bytearray(257)
    for i in range(257):
        digit = 0
        if k & 1:
            digit = k & 31
            if digit > 15:
                digit -= 32
            k -= digit
        digits[i] = digit + 16
        k >>= 1
    return digits


def _two_products(u1, point1, u2, point2):
    """u1 * point1 + u2 * point2 in Jacobian coordinates, sharing the doublings."""
    pairs = ((_naf(u1), _odd_multiples(point1)), (_naf(u2), _odd_multiples(point2)))
    x, y, z = _INFINITY
    for i in range(256, -1, -1):
        if z:
            x, y, z = _double(x, y, z)
        for digits, table in pairs:
            digit = digits[i] - 16
            if digit > 0:
                px, py = table[digit >> 1]
                x, y, z = _add(x, y, z, px, py)
            elif digit < 0:
                px, py = table[-digit >> 1]
                x, y, z = _add(x, y, z, px, _P - py)
    return x, y, z
