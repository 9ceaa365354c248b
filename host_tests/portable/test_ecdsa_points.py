"""device.ecdsa, with and without a table: corners of the curve, of the order and of the multipliers."""

import hashlib

import signer
from forger import accept, forge, mirrored, point_at, recover, refuse, verified
from signer import PUBLIC, G, N, P, der, inverse, multiply, number, raw_key

from device import ecdsa

U1 = 0x7B1D3C5A99E2F0486D1C0B7F3E5A2D4C61908F7E6D5C4B3A29180F1E2D3C4B5A
U2 = 0x35C9A1F20E4B7D688197A6B5C4D3E2F10F1E2D3C4B5A69788796A5B4C3D2E1F1
Y_IS_1 = 0x9E78D4EF60D05F750F6636209092BC43CBDD6B47E11A9DE20A9FEB2A50BB96C
Y_IS_13 = 0x5BAA3EE09194E314D2E68337DAE45641120FCCFCF390A509295D857FBCA029


def _forged(point, u1=U1, u2=U2):
    digest, signature = forge(point, u1, u2)
    accept(raw_key(point), digest, signature)


def test_keys_with_a_small_or_large_x():
    for x in (0, 5, P - 3):
        _forged(point_at(x))


def test_keys_with_a_small_or_large_y():
    for x, y in ((Y_IS_1, 1), (Y_IS_13, P - 13)):
        _forged((x, y))
    assert ecdsa.public_point(raw_key((Y_IS_1, 1 + P))) is None


def test_keys_that_are_small_multiples_of_the_base_point():
    """The key's table then holds points of the base point's own."""
    for d in (1, 2, 3, N - 1, N - 2, 2**43, inverse(2, N)):
        point = multiply(d, G)
        _forged(point)
        _forged(point, 1, 1 if d != N - 1 else 2)


def test_both_products_are_the_same_point():
    """The adder must double there, and not give infinity."""
    for d in (1, 2, N - 1, 2**43, U1):
        _forged(multiply(d, G), U2 * d % N, U2)


def test_the_products_cancel():
    """No signature then, for any r. Its neighbour, with one product a step further, is one."""
    for d in (1, 2, N - 1, 2**43, U1):
        point = multiply(d, G)
        for u2 in (1, U2, N - 1):
            u1 = (N - u2) * d % N
            for r in (1, U1):
                s = r * inverse(u2, N) % N
                refuse(raw_key(point), number(u1 * s % N), der(r, s))
        _forged(point, (N - U2) * d % N + 1, U2)


def test_multipliers_at_the_borders():
    """0, 1 and n - 1; ends of the digits of a NAF and of the teeth of a comb; long runs of one bit."""
    odd_ones = (
        1, 2, 3, 15, 16, 17, 31, 32, 33, N - 1, N - 2, N // 2, N // 2 + 1, 2**43 - 1, 2**43, 2**43 + 1,
        2**215, 2**215 + 1, 2**255, 2**255 - 1, 2**256 // 3, 2**257 // 3 % N, 2**256 % N, 2**224 - 2**96,
    )  # fmt: skip
    for u in odd_ones:
        _forged(PUBLIC, u, U2)
        _forged(PUBLIC, U1, u)
        _forged(PUBLIC, 0, u)


def test_digests_that_are_zero_or_at_least_the_order():
    for e in (0, 1, N - 1, N, N + 1, N + 2**200, 2**256 - 1):
        accept(signer.KEY, number(e), signer.sign_digest(number(e)))


def test_digests_of_another_length_that_are_the_same_number():
    signature = signer.sign_digest(number(5))
    accept(signer.KEY, number(5), signature)
    for digest in (b"\5", number(5)[1:], b"\0" + number(5), bytes(32) + number(5)):
        refuse(signer.KEY, digest, signature)


def test_a_digest_of_zero_times_another_s_is_still_bound_to_r():
    digest, signature = forge(PUBLIC, 0, U2)
    assert digest == bytes(32)
    r, s = ecdsa._der_integers(signature)
    refuse(signer.KEY, digest, der(r, (s + 1) % N))
    accept(signer.KEY, digest, der(r, N - s))


def test_s_is_1_or_n_minus_1():
    for s in (1, N - 1):
        r = multiply(signer.NONCE, G)[0]
        e = (s * signer.NONCE - r * signer.SECRET) % N
        accept(signer.KEY, number(e), der(r, s))
        refuse(signer.KEY, number(e), der(r, 2 if s == 1 else N - 2))


def test_the_sum_has_an_x_that_is_not_below_the_order():
    """r is then x - n, and only then does verify have to compare with r + n."""
    for x in (N + 3, N + 4, P - 3):
        point = point_at(x)
        for s in (1, U2):
            key = raw_key(recover(point, x - N, s, U1))
            accept(key, number(U1), der(x - N, s))
            refuse(key, number(U1), der(x - N + 1, s))
            refuse(key, number(U1), der(x, s))


def test_r_plus_n_is_not_taken_modulo_the_prime():
    """x = r + n - p: equal modulo p only, as r + n is not an x at all."""
    for x in (0, 5, 2**200 + 1):
        while not _has_point(x):
            x += 1
        r = x + P - N
        refuse(raw_key(recover(point_at(x), r, U2, U1)), number(U1), der(r, U2))
        if x:
            accept(raw_key(recover(point_at(x), x, U2, U1)), number(U1), der(x, U2))


def test_r_around_p_minus_n_without_wrapping():
    for x in (P - N - 1, P - N, P - N + 1):
        while not _has_point(x):
            x += 3
        accept(raw_key(recover(point_at(x), x, U2, U1)), number(U1), der(x, U2))


def _has_point(x):
    try:
        return bool(point_at(x))
    except AssertionError:
        return False


def test_r_is_1_or_small():
    """Such an r needs a point with x = r or r + n."""
    for x in (5, 6, 8):
        accept(raw_key(recover(point_at(x), x, U2, U1)), number(U1), der(x, U2))
    for r in (1, 2):
        refuse(signer.KEY, number(U1), der(r, U2))


def test_swapped_numbers_and_the_mirrored_key():
    digest = hashlib.sha256(b"sample").digest()
    r, s = ecdsa._der_integers(signer.sign(b"sample"))
    accept(signer.KEY, digest, der(r, s))
    refuse(signer.KEY, digest, der(s, r))
    refuse(raw_key(mirrored(PUBLIC)), digest, der(r, s))


def test_a_signature_is_for_one_key_only():
    digest, signature = forge(PUBLIC, U1, U2)
    assert verified(signer.KEY, digest, signature) is True
    for other in (G, multiply(2, PUBLIC), mirrored(PUBLIC)):
        refuse(raw_key(other), digest, signature)
