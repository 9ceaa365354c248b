"""A multiple of a point of P-256 that has no comb: by a width-5 non-adjacent form (Hankerson, Menezes,
Vanstone: Guide to Elliptic Curve Cryptography, algorithm 3.35).
"""

from micropython import const

_P = const(0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF)
DIGITS = const(257)


def odd_multiples(point, add, double, inverse):
    """[P, 3P, 5P ... 15P], affine. The points are of prime order, so none of them is infinity.

    2P serves as an affine point of the curve scaled by its z: addition has the same formulas there.
    add, double, inverse: of ecdsa.
    """
    x2, y2, z2 = double(point[0], point[1], 1)
    square = z2 * z2 % _P
    x, y, z = point[0] * square % _P, point[1] * (square * z2 % _P) % _P, 1
    multiples = [point]
    products = [1]  # of the z of all points so far
    for _ in range(7):
        x, y, z = add(x, y, z, x2, y2)
        multiples.append((x, y, z * z2 % _P))
        products.append(products[-1] * multiples[-1][2] % _P)
    inverse = inverse(products[-1], _P)
    for i in range(7, 0, -1):
        x, y, z = multiples[i]
        one = inverse * products[i - 1] % _P
        inverse = inverse * z % _P
        square = one * one % _P
        multiples[i] = (x * square % _P, y * (square * one % _P) % _P)
    return multiples


def points(k, multiples):
    """Generator of 257 points or None whose sum, highest first and doubled in between, is k * P, by the
    width-5 non-adjacent form of k < 2**256. multiples: [P, 3P ... 15P]."""
    octets = k.to_bytes(34, "little")
    digits = bytearray(DIGITS)  # digit + 16, where there is one
    carry = i = 0
    while i < DIGITS:
        digit = (((octets[i >> 3] | octets[(i >> 3) + 1] << 8) >> (i & 7)) & 31) + carry
        if digit & 1:
            carry = digit > 16
            digits[i] = digit - 16 if carry else digit + 16
            i += 4
        i += 1
    for i in range(DIGITS - 1, -1, -1):
        digit = digits[i]
        if not digit:
            yield None
        elif digit > 16:
            yield multiples[digit - 16 >> 1]
        else:
            x, y = multiples[16 - digit >> 1]
            yield x, _P - y
