"""device.offer_signature: what the owner's signature on an offer covers, its form, and when it counts."""

import hashlib

import signer
from check import patched, raises_code
from fakeagent import FakeAgent
from makeoffer import ABSENT, base64, offer, payload, signed

from device import clock, errors, files, offer_signature
from device.offer import parse, parse_message

PROVES = {
    errors.BAD_MESSAGE: "test_one_of_the_wrong_form_is_refused",
    errors.OFFER_SIGNATURE: "test_only_the_owners_signature_counts",
}

WRONG_FOR_ALL = (None, True, False, 1.5, -1, [], {}, [1], {"a": 1}, "", "x", "\0", 1 << 65)


def _parse(own, **changes):
    return parse_message(payload(signed_offer=own, **changes))[1].own_signature


def _refused(own, name=None):
    error = raises_code(errors.BAD_MESSAGE, _parse, own)
    assert error.facts == (("field", "signed_offer." + name if name else "signed_offer"),)


def test_a_signed_offer():
    own = _parse(signed())
    assert (own.image_digest, own.kind, own.expires) == ("ab" * 32, "esp32", 1800000000)
    text = hashlib.sha256(b"1.2.3 10000 " + b"ab" * 32 + b" esp32 1800000000").digest()
    assert own.digest == hashlib.sha256(b"ota-offer-1\n" + text).digest()
    in_ms = _parse(signed(expires=1800000000123))
    assert in_ms.expires == 1800000000 and in_ms.digest != own.digest
    assert _parse(ABSENT) is None
    assert _parse(None) is None


def test_all_that_it_says_is_in_its_digest():
    digests = [_parse(signed()).digest]
    for change in ({"sha256": "ac" * 32}, {"kind": "wm"}, {"expires": 1800000001}):
        digests.append(_parse(signed(**change)).digest)
    for change in ({"version": "1.2.4"}, {"size": 10001}):
        digests.append(_parse(signed(), **change).digest)
    assert len(set(digests)) == 6


def test_when_it_was_issued():
    """Under a signature of its own: boards of before know only the other."""
    signature = base64(b"\x30\x44\x02\x20" + b"\x33" * 32 + b"\x02\x20" + b"\x44" * 32)
    issued = signed(issued=1790000000, issued_signature=signature)
    own = _parse(issued)
    text = hashlib.sha256(b"1.2.3 10000 " + b"ab" * 32 + b" esp32 1800000000 1790000000").digest()
    assert own.issued == 1790000000 and base64(own.proof[0]) == signature
    assert own.proof[1] == hashlib.sha256(b"ota-offer-1\n" + text).digest()
    assert own[:5] == _parse(signed())[:5]
    assert _parse(dict(issued, issued=1790000000123)).issued == 1790000000
    assert _parse(signed()).issued == 0 and _parse(signed()).proof is None
    found = parse_message(payload(signed_offer=issued))[1]
    assert found.fields["signed_offer"] == issued and parse(found.fields).own_signature == own
    for name in ("issued", "issued_signature"):
        for value in WRONG_FOR_ALL:
            _refused(dict(issued, **{name: value}), name)
    del issued["issued_signature"]
    _refused(issued, "issued_signature")


def test_one_of_the_wrong_form_is_refused():
    for value in (True, 1, "x", []):
        _refused(value)
    _refused({}, "sha256")
    for name in ("sha256", "kind", "expires", "signature"):
        _refused(signed(**{name: ABSENT}), name)
        for value in WRONG_FOR_ALL:
            if not (name == "kind" and isinstance(value, str)):
                _refused(signed(**{name: value}), name)
    for name, value in (
        ("sha256", "AB" * 32), ("sha256", "ab" * 31), ("sha256", "ab" * 33), ("sha256", "xy" * 32),
        ("kind", "k" * 16), ("expires", -1), ("expires", 1e9), ("signature", "abcd"),
    ):  # fmt: skip
        _refused(signed(**{name: value}), name)


def test_only_known_fields_are_kept():
    found = parse_message(payload(signed_offer=signed(note="x" * 1000)))[1]
    assert found.fields["signed_offer"] == signed()
    assert parse(found.fields).own_signature == found.own_signature


def _check(agent, own, unix_s=1700000000):
    with patched(clock, "now", lambda: unix_s):
        offer_signature.check(agent, own)


def _owners(**changes):
    """The owner's signature on the offer of makeoffer."""
    digest = offer(signed_offer=signed(**changes)).own_signature.digest
    changes["signature"] = base64(signer.sign_digest(digest))
    return offer(signed_offer=signed(**changes)).own_signature


def test_only_the_owners_signature_counts():
    files.write("owner.der", signer.KEY)
    agent = FakeAgent(signing_key="owner.der")
    own = _owners()
    _check(agent, own)
    foreign = offer_signature.OfferSignature(*own[:4], hashlib.sha256(b"x").digest(), 0, None)
    raises_code(errors.OFFER_SIGNATURE, _check, agent, foreign)
    raises_code(errors.OFFER_SIGNATURE, _check, agent, _parse(signed()))


def test_until_it_expires_and_for_its_kind_of_image():
    files.write("owner.der", signer.KEY)
    agent = FakeAgent(signing_key="owner.der")
    _check(agent, _owners(), 1799999999)
    raises_code(errors.OFFER_SIGNATURE, _check, agent, _owners(), 1800000000)
    raises_code(errors.OFFER_SIGNATURE, _check, agent, _owners(kind="wm"))
    _check(FakeAgent(signing_key="owner.der", image="wm"), _owners(kind="wm"))
