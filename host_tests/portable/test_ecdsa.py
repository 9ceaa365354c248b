"""device.ecdsa, with and without a table: published vectors, truncations, flipped bits, noise.

Corners of the curve stand in test_ecdsa_points.py, bent encodings in test_ecdsa_encodings.py.
"""

import hashlib

import signer
from forger import accept, refuse
from signer import KEY, N, P, der

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
    refuse(key, digest, signature)


def test_rfc_6979_vectors():
    for key in (KEY, SPKI + KEY):
        accept(key, SAMPLE, GOOD)
        accept(key, TEST, GOOD_TEST)
        _refused(GOOD_TEST, SAMPLE, key)
        _refused(GOOD, TEST, key)


def test_the_test_signer_makes_the_published_signature():
    assert signer.sign(b"sample") == GOOD
    assert signer.multiply(signer.SECRET, signer.G) == signer.PUBLIC
    accept(KEY, TEST, signer.sign(b"test"))


def test_the_test_signer_multiplies_as_it_adds():
    point = None
    for k in range(20):
        assert signer.multiply(k, signer.G) == point and signer.multiply(N - k, signer.G) == _mirrored(point)
        point = signer.add(point, signer.G)
    assert signer.multiply(N, signer.G) is None


def _mirrored(point):
    return point and (point[0], P - point[1])


def test_every_prefix_and_every_tail():
    for length in range(len(GOOD)):
        _refused(GOOD[:length])
        _refused(GOOD[length:] if length else b"")
    for tail in (b"\0", b"\x30", GOOD, b"\xff" * 60):
        _refused(GOOD + tail)


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


def test_another_key():
    other = signer.multiply(12345, signer.G)
    assert ecdsa.public_point(signer.raw_key(other)) == other
    _refused(GOOD, SAMPLE, signer.raw_key(other))
    mirrored = (signer.PUBLIC[0], P - signer.PUBLIC[1])
    _refused(GOOD, SAMPLE, signer.raw_key(mirrored))


def test_small_nonces():
    """k = 1 and 2 make the sum a point that the tables hold already."""
    for k in (1, 2, 3, N - 1):
        x = signer.multiply(k, signer.G)[0]
        s = signer.inverse(k, N) * (int.from_bytes(SAMPLE, "big") + x * signer.SECRET) % N
        accept(KEY, SAMPLE, der(x, s))


def test_noise_is_false_and_never_an_exception():
    seed = hashlib.sha256(b"noise").digest()
    for length in (0, 1, 7, 8, 9, 40, 70, 71, 72, 73, 200):
        noise = (seed * 7)[:length]
        _refused(noise)
        _refused(b"\x30" + bytes([max(length - 2, 0)]) + noise[2:])
        _refused(GOOD, SAMPLE, noise)
