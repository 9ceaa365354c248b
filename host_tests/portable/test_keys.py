"""device.keys: two keys, one after the other, and what an image may change about them."""

import binascii
import hashlib
import os

import forger
import signer
from check import patched, raises, raises_code
from fakeagent import FakeAgent

from device import errors, files, keys, trial, verify

PROVES = {errors.SHA256_ECDSA: "test_other_keys_sign_nothing"}

DIGEST = hashlib.sha256(b"image").digest()
SECRETS = {"one": signer.SECRET, "two": 2**200 + 99, "three": 3**100}
PUBLIC = {name: signer.raw_key(signer.multiply(SECRETS[name], signer.G)) for name in SECRETS}


class Settings:
    signing_key = "ring_pub.der"
    next_signing_key = "ring_next.der"


def _sign(name):
    s = signer.inverse(signer.NONCE, signer.N)
    s = s * (int.from_bytes(DIGEST, "big") + signer._R * SECRETS[name]) % signer.N
    return signer.der(signer._R, s)


SIGNED = {name: _sign(name) for name in SECRETS}


def _put(current="one", following="two"):
    """Fresh files."""
    for stem in ("ring_pub", "ring_next"):
        for end in (".der", ".tab", ".der.new", ".tab.new"):
            try:
                os.remove(stem + end)
            except OSError:
                pass
    files.write("ring_pub.der", PUBLIC[current])
    if following:
        files.write("ring_next.der", PUBLIC[following])


def _text(name):
    return binascii.b2a_base64(PUBLIC[name]).decode().strip()


def _signer(signature, digest=DIGEST, codes=()):
    """None if it is nobody's whose signatures count. codes: of what is reported."""
    agent = FakeAgent()
    agent.config = Settings
    try:
        return keys.signer(agent, digest, signature, errors.OFFER_SIGNATURE)
    except errors.OtaError as error:
        if error.code != errors.OFFER_SIGNATURE:
            raise
    finally:
        assert agent.report.codes() == list(codes)


def _adopt(fingerprint, brought=""):
    trial.adopt_keys(Settings, fingerprint, brought)


def _who():
    """The names of those whose signatures count."""
    return [name for name in ("one", "two", "three") if _signer(SIGNED[name])]


def test_current_and_next_key():
    _put()
    assert _who() == ["one", "two"]
    _put(following=None)
    assert _who() == ["one"]


def test_other_keys_sign_nothing():
    _put()
    assert _signer(SIGNED["three"]) is None
    assert _signer(SIGNED["one"], hashlib.sha256(b"other").digest()) is None
    assert _signer("") is None


def test_no_current_key():
    for content in (None, b"", b"nonsense", b"\x04" + b"\x01" * 64):
        _put()
        os.remove("ring_pub.der")
        if content is not None:
            files.write("ring_pub.der", content)
        assert keys.read_key("ring_pub.der") is None


def test_a_next_key_that_is_none_is_no_key():
    _put()
    files.write("ring_next.der", b"\x04" + b"\x01" * 64)
    assert _who() == ["one"]


def test_a_current_key_that_cannot_be_read_condemns_no_image():
    _put()
    os.remove("ring_pub.der")
    raises_code(errors.FLASH, _signer, SIGNED["one"])


def test_an_image_of_the_current_key_retires_nothing():
    _put()
    _adopt(_signer(SIGNED["one"]))
    assert _who() == ["one", "two"]
    _adopt(None, "")  # of a record that an older agent wrote
    assert _who() == ["one", "two"]


def test_an_image_of_the_next_key_retires_the_current_one():
    _put()
    _adopt(_signer(SIGNED["two"]))
    assert _who() == ["two"]


def test_an_image_may_bring_the_key_that_follows():
    _put()
    fingerprint = _signer(SIGNED["two"])
    for _ in range(2):  # the power went in between, so it is done again
        _adopt(fingerprint, _text("three"))
        assert _who() == ["two", "three"]
    _put(following=None)
    _adopt(_signer(SIGNED["one"]), _text("three"))
    assert _who() == ["one", "three"]


def test_the_same_key_brought_again_keeps_its_table():
    _put()
    files.write("ring_next.tab", b"table")
    _adopt(_signer(SIGNED["one"]), _text("two"))
    assert files.read("ring_next.tab") == b"table"


def test_a_cut_between_table_and_key_is_made_good():
    _put()
    table = forger.table_file(signer.multiply(SECRETS["two"], signer.G))
    files.write("ring_next.tab", table)
    fingerprint = _signer(SIGNED["two"])
    with patched(files, "replace", _OnlyOnce().replace):
        raises(_PowerCut, _adopt, fingerprint)
    assert files.read("ring_pub.der") == PUBLIC["one"]
    _adopt(fingerprint)
    assert files.read("ring_pub.tab") == table and files.read("ring_pub.der") == PUBLIC["two"]


class _OnlyOnce:
    """files.replace, and then the power goes."""

    def __init__(self):
        self._replace = files.replace
        self._is_off = False

    def replace(self, path, data):
        if self._is_off:
            raise _PowerCut
        self._is_off = True
        self._replace(path, data)


class _PowerCut(Exception):
    pass


def test_what_is_no_key_is_not_brought():
    assert verify.decode_key(_text("three")) == PUBLIC["three"]
    wrong = binascii.b2a_base64(b"\x04" + b"\x01" * 64).decode()
    for text in ("", "x", "!", wrong, _text("one")[:-4], 1, None, [], True):
        raises_code(errors.HEADER_INVALID, verify.decode_key, text)


def test_a_cut_inside_the_rename_on_fat():
    _put()
    os.rename("ring_pub.der", "ring_pub.der.new")
    assert _who() == ["one", "two"]


def test_a_table_that_is_damaged_is_told_and_not_used():
    table = bytearray(forger.table_file(signer.PUBLIC))
    for spoil in (False, True):
        _put()
        table[900] ^= spoil
        files.write("ring_pub.tab", bytes(table))
        assert _signer(SIGNED["one"], DIGEST, [errors.NO_INIT] if spoil else [])
