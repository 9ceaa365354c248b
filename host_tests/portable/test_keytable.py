"""device.keytable: which files it takes, and that no content of a table upsets the verification."""

import hashlib

import signer
from check import raises_code
from forger import comb, table_file
from signer import KEY, N, P

from device import ecdsa, errors, keytable

PROVES = {errors.NO_INIT: "test_damaged_files"}

SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
FILE = table_file(signer.PUBLIC)
DIGEST = hashlib.sha256(b"sample").digest()
GOOD = signer.sign(b"sample")


def _refused(data, reason, key=KEY):
    error = raises_code(errors.NO_INIT, keytable.load, data, key)
    assert reason in error.detail, error.detail


def _with_checksum(content):
    return content + hashlib.sha256(content).digest()


def test_a_good_file_with_both_forms_of_the_key():
    for key in (KEY, SPKI + KEY):
        table = keytable.load(FILE, key)
        assert bytes(table) == comb(signer.PUBLIC)
        assert ecdsa.verify(key, DIGEST, GOOD, table) is True
        assert ecdsa.verify(key, bytes(32), GOOD, table) is False


def test_damaged_files():
    assert len(FILE) == 2150
    for at in (5, 6, 70, 71, 1000, 2117, 2118, 2149):
        _refused(FILE[:at] + bytes([FILE[at] ^ 1]) + FILE[at + 1 :], "damaged")
    for length in (5, 69, 70, 102, 2117, 2119, 2149):
        _refused(FILE[:length], "damaged")
        _refused(_with_checksum(FILE[:length]), "damaged")
    assert _with_checksum(FILE[:2118]) == FILE and keytable.load(FILE, KEY)
    _refused(FILE + b"\0", "damaged")
    _refused(_with_checksum(FILE), "damaged")


def test_other_files():
    for data in (b"", b"O", b"OTAC", KEY, SPKI + KEY, b"\0" * 2150, b"\xff" * 2150):
        _refused(data, "format")
    for head in (b"OTAC\x02", b"OTAC\0", b"OTAB\x01", b"\x01CATO"):
        _refused(_with_checksum(head + FILE[5:2118]), "format")


def test_the_table_of_another_key():
    other = signer.multiply(2, signer.PUBLIC)
    _refused(FILE, "another key", signer.raw_key(other))
    _refused(FILE, "another key", signer.raw_key((signer.PUBLIC[0], P - signer.PUBLIC[1])))
    _refused(table_file(other), "another key")
    assert keytable.load(table_file(other), signer.raw_key(other))


def test_what_is_no_key_has_no_table():
    for key in (b"", b"\x04", KEY[1:], SPKI):
        _refused(FILE, "another key", key)


def test_a_table_of_noise_gives_false_and_no_exception():
    """Noise is not a table of the key, so no signature fits it; the owner's is good with the real one."""
    for content in _wrong_tables():
        table = keytable.load(_with_checksum(FILE[:70] + content), KEY)
        for signature in (GOOD, signer.der(1, 1), signer.der(N - 1, N - 1), signer.der(5, N // 2)):
            assert ecdsa.verify(KEY, DIGEST, signature, table) is False
    assert ecdsa.verify(KEY, DIGEST, GOOD, keytable.load(FILE, KEY)) is True


def _wrong_tables():
    """One after the other: a small heap does not hold all of them."""
    for number in range(12):
        yield _noise(b"%d" % number, 2048)
    for filling in (b"\0", b"\x01", b"\xff"):
        yield filling * 2048
    yield comb(signer.PUBLIC)[64:] + bytes(64)
    yield FILE[70:1094] + _noise(b"half", 1024)


def test_tables_of_another_length_are_false():
    good = comb(signer.PUBLIC)
    assert ecdsa.verify(KEY, DIGEST, GOOD, good) is True
    for table in (b"", good[:-1], good + b"\0", good[:64], good + good):
        assert ecdsa.verify(KEY, DIGEST, GOOD, table) is False


def test_a_table_does_not_make_up_for_the_key():
    table = comb(signer.PUBLIC)
    for key in (b"", KEY[:-1], b"\x04" + bytes(64), b"\x02" + KEY[1:33]):
        assert ecdsa.verify(key, DIGEST, GOOD, table) is False


def _noise(seed, length):
    noise = b""
    while len(noise) < length:
        seed = hashlib.sha256(seed).digest()
        noise += seed
    return noise[:length]
