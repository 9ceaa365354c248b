"""device.ecdsa, with and without a table: every way known to bend the encoding of a signature or a key.

The classes are those of public test vectors. Each starts from a signature or key that is accepted.
"""

import hashlib

import signer
from forger import accept, refuse, table_of, verified
from signer import KEY, N, P, der, number

from device import ecdsa

DIGEST = hashlib.sha256(b"sample").digest()
GOOD = signer.sign(b"sample")  # both integers have their high bit set, so a zero before it
R, S = GOOD[2:37], GOOD[37:72]
SPKI = (
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
    b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"
)


def _sequence(*parts):
    body = b"".join(parts)
    return bytes([0x30, len(body)]) + body


def _refused(*signatures):
    for signature in signatures:
        refuse(KEY, DIGEST, signature)


def test_the_parts_make_the_good_signature():
    assert _sequence(R, S) == GOOD
    accept(KEY, DIGEST, GOOD)


def test_lengths_in_long_form():
    for at in (1, 3, 38):
        length = GOOD[at]
        for longer in (b"\x81%c", b"\x82\0%c", b"\x83\0\0%c", b"\x84\0\0\0%c", b"\x88\0\0\0\0\0\0\0%c"):
            _refused(GOOD[:at] + longer % length + GOOD[at + 1 :])
    for longer, extra in ((b"\x81", 1), (b"\x82\0", 2)):
        long_r = b"\x02" + longer + R[1:]
        long_s = b"\x02" + longer + S[1:]
        assert len(long_r) == len(R) + extra
        _refused(_sequence(long_r, S), _sequence(R, long_s), _sequence(long_r, long_s))


def test_indefinite_lengths():
    for end in (b"", b"\0\0"):
        _refused(
            b"\x30\x80" + R + S + end,
            _sequence(b"\x02\x80" + R[2:] + end, S),
            _sequence(R, b"\x02\x80" + S[2:] + end),
        )


def test_lengths_that_lie():
    for at in (1, 3, 38):
        for length in (0, 1, GOOD[at] - 1, GOOD[at] + 1, 0x7F, 0x80, 0x84, 0xFE, 0xFF):
            _refused(GOOD[:at] + bytes([length]) + GOOD[at + 1 :])
    for huge in (b"\x84\x7f\xff\xff\xff", b"\x84\xff\xff\xff\xff", b"\x85\x01\0\0\0\0"):
        _refused(b"\x30" + huge + R + S, _sequence(b"\x02" + huge + R[2:], S))


def test_tags_of_all_kinds():
    for at in (0, 2, 37):
        for tag in (0, 1, 2, 3, 4, 5, 6, 9, 0x0C, 0x22, 0x30, 0x31, 0x42, 0x82, 0xA2, 0xFF):
            if tag != GOOD[at]:
                _refused(GOOD[:at] + bytes([tag]) + GOOD[at + 1 :])


def test_zeros_before_a_number():
    for zeros in (1, 2, 5):
        longer_r = bytes([2, 33 + zeros]) + bytes(zeros) + R[2:]
        longer_s = bytes([2, 33 + zeros]) + bytes(zeros) + S[2:]
        _refused(_sequence(longer_r, S), _sequence(R, longer_s))


def test_negative_numbers():
    short_r, short_s = b"\x02\x20" + R[3:], b"\x02\x20" + S[3:]
    _refused(_sequence(short_r, S), _sequence(R, short_s), _sequence(short_r, short_s))
    for value in (b"\xff", b"\x80", b"\xff\x00", b"\xff" + R[3:], b"\xff" * 33):
        number_ = bytes([2, len(value)]) + value
        _refused(_sequence(number_, S), _sequence(R, number_), _sequence(number_, number_))


def test_bytes_that_do_not_belong():
    for extra in (b"\0", b"\0\0", b"\x05\0", b"\x02\x01\x01", b"\x30\0", b"\xff", GOOD, b"\0" * 56):
        _refused(GOOD + extra, extra + GOOD)
        if len(extra) < 50:
            _refused(_sequence(R, S, extra), _sequence(extra, R, S), _sequence(R, extra, S))
    for at in range(0, 72, 5):
        _refused(GOOD[:at] + b"\0" + GOOD[at:], GOOD[:at] + GOOD[at + 1 :])


def test_other_structures():
    _refused(
        b"", b"\0", b"\x30", b"\x30\0", b"\x30\x80", b"\x30\x80\0\0", b"\x05\0", b"\x02\x01\x01", R, S,
        _sequence(R), _sequence(S), _sequence(R, S, S), _sequence(_sequence(R, S)),
        _sequence(_sequence(R), S), _sequence(R, _sequence(S)), _sequence(b"\x05\0", S),
        _sequence(R, b"\x05\0"), _sequence(b"\x02\0", S), _sequence(R, b"\x02\0"),
        _sequence(R, b"\x02\x02\0"), _sequence(R, b"\x02"), _sequence(R, b"\x02\x01"),
        _sequence(b"\x04" + R[1:], b"\x04" + S[1:]), _sequence(b"\x01\x01\xff", S),
        _sequence(b"\x09\x01\x40", S), b"\x30\x0a\x09\x03\x80\0\x01\x09\x03\x80\0\x01",  # reals
        _sequence(S, R), R + S, number(5) * 2, b"\x24\x80" + GOOD + b"\0\0", GOOD.hex().encode(),
    )  # fmt: skip


def test_numbers_at_the_borders():
    s = ecdsa._der_integers(GOOD)[1]
    r = ecdsa._der_integers(GOOD)[0]
    odd_ones = (
        0, 1, 2, 127, 128, 255, 256, N - 2, N - 1, N, N + 1, P - 1, P, P + 1, P - N, P - N + 1, 2**255,
        2**256 - 1, 2**256, 2**257, N + r, N + s, 2 * N, 2**264,
    )  # fmt: skip
    for odd in odd_ones:
        _refused(der(odd, s), der(r, odd), der(odd, odd), der(s, odd))
        for other in (0, 1, N - 1, N, P):
            _refused(der(odd, other), der(other, odd))
    accept(KEY, DIGEST, der(r, N - s))


def test_forms_of_a_key():
    x, y = KEY[1:33], KEY[33:]
    accept(SPKI + KEY, DIGEST, GOOD)
    for first in (0, 1, 2, 3, 5, 6, 7, 0xFF):
        for body in (x + y, x):
            refuse(bytes([first]) + body, DIGEST, GOOD)
            refuse(SPKI + bytes([first]) + body, DIGEST, GOOD)
    refuse(x + y, DIGEST, GOOD)
    refuse(b"\x04" + x, DIGEST, GOOD)


def test_forms_of_the_key_info():
    curves = {
        "secp256k1": b"\x06\x05\x2b\x81\x04\x00\x0a", "secp384r1": b"\x06\x05\x2b\x81\x04\x00\x22",
        "prime192v1": b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x01",
        "brainpoolP256r1": b"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07",
        "explicit": b"\x30\x03\x02\x01\x01", "none": b"", "null": b"\x05\0",
    }  # fmt: skip
    bit_string = b"\x03\x42\0" + KEY
    ec_key, ours = SPKI[4:13], SPKI[13:23]
    assert _sequence(_sequence(ec_key, ours), bit_string) == SPKI + KEY
    for curve in curves.values():
        refuse(_sequence(_sequence(ec_key, curve), bit_string), DIGEST, GOOD)
    for other in (
        _sequence(_sequence(b"\x06\x05\x2b\x81\x04\x01\x0c", ours), bit_string),  # ECDH only
        _sequence(_sequence(ec_key, ours), b"\x03\x42\x01" + KEY),  # unused bits
        _sequence(_sequence(ec_key, ours), b"\x04\x41" + KEY),
        _sequence(_sequence(ec_key, ours, b"\x05\0"), bit_string),
        b"\x30\x81\x59" + SPKI[2:] + KEY, b"\x30\x80" + SPKI[2:] + KEY + b"\0\0",
        SPKI + KEY + b"\0", SPKI + KEY + KEY, b"\0" + SPKI + KEY, SPKI + SPKI + KEY,
    ):  # fmt: skip
        refuse(other, DIGEST, GOOD)


def test_keys_off_the_curve():
    x, y = signer.PUBLIC
    for point in (
        (0, 0), (1, 1), (x, 0), (0, y), (y, x), (x, y + 1), (x + 1, y), (P, y), (x, P), (P - 1, P - 1),
        (2**256 - 1, y), (x, 2**256 - 1), (5 + P, 1),
    ):  # fmt: skip
        assert ecdsa.public_point(signer.raw_key(point)) is None
        refuse(signer.raw_key(point), DIGEST, GOOD)
    assert ecdsa.public_point(KEY) == signer.PUBLIC


def test_numbers_of_a_key_that_are_not_below_the_prime():
    """5 + p is below 2**256 and is 5 modulo p, where there is a point: only 5 itself names it."""
    y = 0x459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC
    assert ecdsa.public_point(signer.raw_key((5, y))) == (5, y)
    assert ecdsa.public_point(signer.raw_key((5 + P, y))) is None


def test_arguments_of_other_types():
    others = (None, 0, -1, 1, True, "", "04" * 65, 1.5, (), (4,) * 65, [], [0] * 32, {}, object(), bytes)
    for other in others:
        refuse(other, DIGEST, GOOD)
        refuse(KEY, other, GOOD)
        refuse(KEY, DIGEST, other)
        refuse(other, other, other)
        if other is not None:
            assert ecdsa.verify(KEY, DIGEST, GOOD, other) is False
        assert ecdsa.public_point(other) is None


def test_bytes_in_other_clothes():
    for kind in (bytes, bytearray, memoryview):
        assert verified(kind(KEY), kind(DIGEST), kind(GOOD)) is True
        assert verified(kind(SPKI + KEY), kind(DIGEST), kind(GOOD)) is True
        assert verified(kind(KEY), kind(DIGEST), kind(GOOD[:-1])) is False
        assert ecdsa.verify(KEY, DIGEST, GOOD, kind(table_of(KEY))) is True


def test_arguments_of_every_length():
    for length in (0, 1, 2, 31, 32, 33, 64, 65, 66, 72, 73, 91, 127, 128, 129, 5000):
        for filling in (b"\0", b"\x30", b"\x04", b"\xff"):
            noise = filling * length
            refuse(noise, DIGEST, GOOD)
            refuse(KEY, DIGEST, noise)
            if length != 32:
                refuse(KEY, noise, GOOD)
            refuse(noise, noise, noise)
