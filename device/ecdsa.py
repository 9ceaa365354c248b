"""ECDSA signature check on P-256 with SHA-256, on MicroPython's big integers.

Jacobian coordinates; the base point by a signed comb, the key by its own comb, or without one by a width-5
non-adjacent form (Hankerson, Menezes, Vanstone: Guide to Elliptic Curve Cryptography, algorithms 3.21, 3.22,
3.35, 3.44). Nothing here is secret, so nothing needs constant time. `pow` is avoided: MicroPython's
`pow(x, -1, n)` silently returns 0.
"""

from micropython import const

_P = const(0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF)
_N = const(0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551)
_B = const(0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B)

_BYTES = (bytes, bytearray, memoryview)
_INFINITY = (0, 1, 0)
_POINT = const(65)  # uncompressed: 04, x, y
_SPKI_PREFIX = (  # RFC 5480: id-ecPublicKey, prime256v1, a BIT STRING of 65 bytes
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
    b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"
)

# A comb is a table of 32 affine points, 64 bytes each: number i is
# 2**215 * P + the sum over t < 5 of (2**(43*t) * P if bit t of i is set, else -2**(43*t) * P).
_COLUMNS = const(43)
_COMB = const(32 * 64)
_COMB_ONES = const(2**258 - 1)  # 6 teeth of 43 bits
_COMB_BITS = const(1 | 2**43 | 2**86 | 2**129 | 2**172 | 2**215)
_GATHER = const(2**42 - 1)
_DIGITS = const(257)  # of a non-adjacent form


def verify(key, digest, signature, table=None):
    """key: 65-byte uncompressed point or SubjectPublicKeyInfo; digest: 32 bytes; signature: DER;
    table: what keytable.load() gave for this key, which saves more than half of the time.

    Returns True or False; bad input of any content or type is False.
    """
    from . import p256_comb  # a key is looked at without it

    point = public_point(key)
    numbers = _der_integers(_octets(signature))
    digest = _octets(digest)
    if point is None or numbers is None or len(digest) != 32:
        return False
    r, s = numbers
    if not (0 < r < _N and 0 < s < _N):
        return False
    w = _inverse(s, _N)
    u1 = int.from_bytes(digest, "big") * w % _N
    u2 = r * w % _N
    if table is None:
        x, z = _sum(_comb(u1, p256_comb.TABLE, _DIGITS - _COLUMNS), _points(u2, _odd_multiples(point)))
    elif isinstance(table, _BYTES) and len(table) == _COMB:
        x, z = _sum(_comb(u1, p256_comb.TABLE), _comb(u2, table))
    else:
        return False
    if z == 0:
        return False
    zz = z * z % _P
    return x == r * zz % _P or (r + _N < _P and x == (r + _N) * zz % _P)


def public_point(key):
    """(x, y) of a public key that lies on the curve, else None."""
    key = _octets(key)
    if key[: len(_SPKI_PREFIX)] == _SPKI_PREFIX:
        key = key[len(_SPKI_PREFIX) :]
    if len(key) != _POINT or key[0] != 4:
        return None
    x = int.from_bytes(key[1:33], "big")
    y = int.from_bytes(key[33:65], "big")
    if x >= _P or y >= _P or (y * y - (x * x - 3) * x - _B) % _P:
        return None
    return x, y


def _octets(value):
    """A short bytes-like object as bytes; b"" for everything else."""
    if isinstance(value, _BYTES) and len(value) <= 128:
        return bytes(value)
    return b""


def _der_integers(der):
    """SEQUENCE of two INTEGERs, minimal and with nothing after them -> (r, s), else None."""
    if not 8 <= len(der) <= 72 or der[0] != 0x30 or der[1] != len(der) - 2:
        return None
    r, position = _der_integer(der, 2)
    s, position = _der_integer(der, position)
    if r is None or s is None or position != len(der):
        return None
    return r, s


def _der_integer(der, start):
    """(value, position after it); value is None if none stands there."""
    if start + 3 > len(der) or der[start] != 0x02:
        return None, start
    length = der[start + 1]
    first = start + 2
    end = first + length
    if not length or end > len(der) or der[first] & 0x80:
        return None, start
    if length > 1 and der[first] == 0 and not der[first + 1] & 0x80:
        return None, start
    return int.from_bytes(der[first:end], "big"), end


def _inverse(a, modulus):
    """a**-1 by the extended Euclidean algorithm; a must not be 0 modulo a prime modulus."""
    old, new = modulus, a
    x_old, x_new = 0, 1
    while new:
        quotient, rest = divmod(old, new)
        old, new = new, rest
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


def _comb(k, table, idle=0):
    """Generator like _points() of 43 points, after `idle` times None, by the comb of P."""
    for _ in range(idle):
        yield None
    even = not k & 1
    # An odd number is a sum of +-2**i: bit i of `signs` is set where the sign is +.
    signs = (_N - k if even else k) + _COMB_ONES >> 1
    for column in range(_COLUMNS - 1, -1, -1):
        # One bit of each tooth; 2**43 is 2 modulo 2**42 - 1, so that brings them together.
        index = (signs >> column & _COMB_BITS) % _GATHER
        minus = index < 32
        start = (index ^ 31 if minus else index - 32) << 6
        y = int.from_bytes(table[start + 32 : start + 64], "big")
        yield int.from_bytes(table[start : start + 32], "big"), _P - y if minus != even else y


def _odd_multiples(point):
    """[P, 3P, 5P ... 15P], affine. The points are of prime order, so none of them is infinity.

    2P serves as an affine point of the curve scaled by its z: addition has the same formulas there.
    """
    x2, y2, z2 = _double(point[0], point[1], 1)
    square = z2 * z2 % _P
    x, y, z = point[0] * square % _P, point[1] * (square * z2 % _P) % _P, 1
    multiples = [point]
    products = [1]  # of the z of all points so far
    for _ in range(7):
        x, y, z = _add(x, y, z, x2, y2)
        multiples.append((x, y, z * z2 % _P))
        products.append(products[-1] * multiples[-1][2] % _P)
    inverse = _inverse(products[-1], _P)
    for i in range(7, 0, -1):
        x, y, z = multiples[i]
        one = inverse * products[i - 1] % _P
        inverse = inverse * z % _P
        square = one * one % _P
        multiples[i] = (x * square % _P, y * (square * one % _P) % _P)
    return multiples


def _points(k, multiples):
    """Generator of 257 points or None whose sum, highest first and doubled in between, is k * P, by the
    width-5 non-adjacent form of k < 2**256. multiples: [P, 3P ... 15P]."""
    octets = k.to_bytes(34, "little")
    digits = bytearray(_DIGITS)  # digit + 16, where there is one
    carry = i = 0
    while i < _DIGITS:
        digit = (((octets[i >> 3] | octets[(i >> 3) + 1] << 8) >> (i & 7)) & 31) + carry
        if digit & 1:
            carry = digit > 16
            digits[i] = digit - 16 if carry else digit + 16
            i += 4
        i += 1
    for i in range(_DIGITS - 1, -1, -1):
        digit = digits[i]
        if not digit:
            yield None
        elif digit > 16:
            yield multiples[digit - 16 >> 1]
        else:
            x, y = multiples[16 - digit >> 1]
            yield x, _P - y


def _sum(first, second):
    """(x, z) of the sum of two products, given as generators of as many points or None, highest first."""
    x, y, z = _INFINITY
    for pair in zip(first, second):
        if z:
            x, y, z = _double(x, y, z)
        for point in pair:
            if point:
                x, y, z = _add(x, y, z, point[0], point[1])
    return x, z
