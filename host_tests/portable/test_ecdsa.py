"""device.ecdsa: published vectors, every malformed signature, and the corners of the curve."""

import hashlib

import signer
from signer import KEY, N, P, der, number

from device import ecdsa, errors

PROVES = {errors.SHA256_ECDSA: "test_flipped_bits"}

SPKI = (
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
    b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"
)
SAMPLE = hashlib.sha256(b"sample").digest()
TEST = hashlib.sha256(b"test").digest()
R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
GOOD = der(R, S)
GOOD_TEST = der(
    0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
    0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
)


def _refused(signature, digest=SAMPLE, key=KEY):
    """False, and never an exception."""
    assert ecdsa.verify(key, digest, signature) is False, (key, digest, signature)


def test_rfc_6979_vectors():
    for key in (KEY, SPKI + KEY):
        assert ecdsa.verify(key, SAMPLE, GOOD) is True
        assert ecdsa.verify(key, TEST, GOOD_TEST) is True
        _refused(GOOD_TEST, SAMPLE, key)
        _refused(GOOD, TEST, key)


def test_the_test_signer_makes_the_published_signature():
    assert signer.sign(b"sample") == GOOD
    assert signer.multiply(signer.SECRET, signer.G) == signer.PUBLIC
    assert ecdsa.verify(KEY, TEST, signer.sign(b"test")) is True


def test_the_other_s_is_a_signature_too():
    assert ecdsa.verify(KEY, SAMPLE, der(R, N - S)) is True


def test_r_and_s_at_the_borders():
    for odd in (0, N, N + 1, N - 1, P, P - 1, 2**256 - 1, 2**256, 1, 2):
        _refused(der(odd, S))
        _refused(der(R, odd))
        _refused(der(odd, odd))
    _refused(der(R + N, S))
    _refused(der(R, S + N))


def test_every_prefix_and_every_tail():
    for length in range(len(GOOD)):
        _refused(GOOD[:length])
        _refused(GOOD[length:] if length else b"")
    for tail in (b"\0", b"\x30", GOOD, b"\xff" * 60):
        _refused(GOOD + tail)


def test_der_that_is_only_ber():
    r, s = b"\x02\x21\0" + number(R), b"\x02\x21\0" + number(S)
    assert b"\x30\x46" + r + s == GOOD
    for bad in (
        b"\x30\x81\x46" + r + s,  # long form of a short length
        b"\x30\x82\0\x46" + r + s,
        b"\x30\x80" + r + s + b"\0\0",  # indefinite
        b"\x30\x47" + b"\x02\x22\0\0" + number(R) + s,  # one zero too many
        b"\x30\x47" + r + b"\x02\x22\0\0" + number(S),
        b"\x30\x45" + b"\x02\x20" + number(R) + s,  # negative
        b"\x30\x45" + r + b"\x02\x20" + number(S),
        b"\x31\x46" + r + s,  # a set
        b"\x30\x46\x03\x21\0" + number(R) + s,  # other types inside
        b"\x30\x46" + r + b"\x04\x21\0" + number(S),
        b"\x30\x48" + r + s + b"\x05\0",  # a third element
        b"\x30\x47" + r + s + b"\0",
        b"\x30\x44" + r + s,
        b"\x30\x06\x02\x01\0\x02\x01\0",
        b"\x30\x04\x02\0\x02\0",  # empty integers
        b"\x30\x02\x05\0",
        number(R) + number(S),  # the raw form of other libraries
    ):
        _refused(bad)


def test_short_integers_keep_their_padding_rule():
    small = b"\x30\x06\x02\x01\x01\x02\x01\x01"
    assert ecdsa._der_integers(small) == (1, 1)
    assert ecdsa._der_integers(b"\x30\x07\x02\x02\x00\x80\x02\x01\x01") == (128, 1)
    assert ecdsa._der_integers(b"\x30\x07\x02\x02\x00\x7f\x02\x01\x01") is None
    assert ecdsa._der_integers(b"\x30\x06\x02\x01\x80\x02\x01\x01") is None


def test_bytes_behind_s_but_inside_the_sequence():
    assert len(GOOD_TEST) == 71
    _refused(b"\x30\x46" + GOOD_TEST[2:] + b"\0", TEST)
    assert ecdsa._der_integers(b"\x30\x08\x02\x01\x01\x02\x01\x01\x05\0") is None


def test_flipped_bits():
    for bit in range(0, 256, 37):
        digest = bytearray(SAMPLE)
        digest[bit // 8] ^= 1 << (bit % 8)
        _refused(GOOD, bytes(digest))
    for bit in range(0, len(GOOD) * 8, 41):
        signature = bytearray(GOOD)
        signature[bit // 8] ^= 1 << (bit % 8)
        _refused(bytes(signature))


def test_digests_of_another_length():
    for digest in (b"", SAMPLE[:31], SAMPLE + b"\0", SAMPLE[:20], SAMPLE * 2):
        _refused(GOOD, digest)


def test_keys_that_are_none():
    x, y = KEY[1:33], KEY[33:]
    for key in (
        b"", b"\x04", KEY[:-1], KEY + b"\0", b"\x02" + x, b"\x05" + x + y, b"\x06" + x + y,
        b"\0" * 65, b"\x04" + b"\0" * 64, b"\x04" + b"\xff" * 64,
        b"\x04" + x + number((signer.PUBLIC[1] + 1) % P),  # not on the curve
        b"\x04" + y + x, b"\x04" + number(P) + y, b"\x04" + x + number(P),
        SPKI + KEY[:-1], SPKI[:-1] + b"\x01" + KEY, SPKI[:22] + b"\x08" + SPKI[23:] + KEY,
        b"\x30\x58" + SPKI[2:] + KEY, SPKI, SPKI + KEY + b"\0",
    ):  # fmt: skip
        assert ecdsa.public_point(key) is None, key
        _refused(GOOD, SAMPLE, key)


def test_another_key():
    other = signer.multiply(12345, signer.G)
    assert ecdsa.public_point(signer.raw_key(other)) == other
    _refused(GOOD, SAMPLE, signer.raw_key(other))
    mirrored = (signer.PUBLIC[0], P - signer.PUBLIC[1])
    _refused(GOOD, SAMPLE, signer.raw_key(mirrored))


def test_a_sum_that_is_infinity():
    """u1*G + u2*Q = 0 with Q = d*G: u1 = -u2*d, that is e = -r*d. No signature, for any s."""
    d = 7
    key = signer.raw_key(signer.multiply(d, signer.G))
    for r, s in ((1, 1), (5, 3), (R, S)):
        _refused(der(r, s), number(-r * d % N), key)


def test_a_key_that_is_the_base_point_or_close_to_it():
    """Q = d*G for small and for negative d drives the adder into doubling and cancelling."""
    for d in (1, 2, 3, 15, 16, N - 1, N - 2):
        key = signer.raw_key(signer.multiply(d, signer.G))
        e = int.from_bytes(SAMPLE, "big")
        s = signer.inverse(signer.NONCE, N) * (e + R * d) % N
        assert ecdsa.verify(key, SAMPLE, der(R, s)) is True, d
        _refused(der(R, s), TEST, key)


def test_a_sum_of_two_equal_points():
    """Q = G and e = r make u1*G and u2*Q the same: the adder must double, and not give infinity."""
    s = signer.inverse(signer.NONCE, N) * 2 * R % N
    assert ecdsa.verify(signer.raw_key(signer.G), number(R), der(R, s)) is True


def test_a_digest_of_zero_and_of_more_than_the_order():
    for e in (0, N, N + 5, 2**256 - 1):
        signature = signer.sign_digest(number(e))
        assert ecdsa.verify(KEY, number(e), signature) is True, e
        _refused(signature, number(e ^ 1))


def test_small_nonces():
    """k = 1 and 2 make the sum a point that the tables hold already."""
    for k in (1, 2, 3, N - 1):
        x = signer.multiply(k, signer.G)[0]
        s = signer.inverse(k, N) * (int.from_bytes(SAMPLE, "big") + x * signer.SECRET) % N
        assert ecdsa.verify(KEY, SAMPLE, der(x, s)) is True, k


def test_noise_is_false_and_never_an_exception():
    seed = hashlib.sha256(b"noise").digest()
    for length in (0, 1, 7, 8, 9, 40, 70, 71, 72, 73, 200):
        noise = (seed * 7)[:length]
        _refused(noise)
        _refused(b"\x30" + bytes([max(length - 2, 0)]) + noise[2:])
        _refused(GOOD, SAMPLE, noise)
