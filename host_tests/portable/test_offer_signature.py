"""device.offer_signature: what the owner's signature on an offer covers, its form, and when it counts."""

import hashlib

import signer
from check import patched, raises, raises_code
from fakeagent import FakeAgent
from makeoffer import ABSENT, base64, offer, payload, signed

from device import clock, errors, files, keys, log, offer_signature
from device.offer import Offer, parse, parse_message

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


DIGEST = hashlib.sha256(b"the image").digest()


def _check(agent, offer, unix_s=1700000000):
    with patched(clock, "now", lambda: unix_s):
        offer_signature.check(agent, offer)


def _agent(**changes):
    files.write("owner.der", signer.KEY)
    return FakeAgent(signing_key="owner.der", **changes)


def _owners(image=DIGEST, **changes):
    """The owner's signature on the offer of makeoffer, for an image that he has signed."""
    changes["sha256"] = DIGEST.hex()
    digest = offer(signed_offer=signed(**changes)).own_signature.digest
    changes["signature"] = base64(signer.sign_digest(digest))
    return offer(signed_offer=signed(**changes), signature=base64(signer.sign_digest(image)))


def test_only_the_owners_signature_counts():
    agent = _agent()
    found = _owners()
    _check(agent, found)
    own = offer_signature.OfferSignature(*found.own_signature[:4], hashlib.sha256(b"x").digest(), 0, None)
    foreign = Offer(*found[:8], own, found.fields)
    raises_code(errors.OFFER_SIGNATURE, _check, agent, foreign)
    raises_code(errors.OFFER_SIGNATURE, _check, agent, offer(signed_offer=signed()))


def test_until_it_expires_and_for_its_kind_of_image():
    agent = _agent()
    _check(agent, _owners(), 1799999999)
    raises_code(errors.OFFER_SIGNATURE, _check, agent, _owners(), 1800000000)
    raises_code(errors.OFFER_SIGNATURE, _check, agent, _owners(kind="wm"))
    _check(_agent(image="wm"), _owners(kind="wm"))


def test_nobody_can_put_another_image_signature_beside_it():
    """Each would be another offer, and cost a download until that is found out."""
    other = hashlib.sha256(b"another image").digest()
    raises_code(errors.OFFER_SIGNATURE, _check, _agent(), _owners(other))


class _Checks:
    """Context: what keys.signer() is asked is counted, and right if `is_right`; the uptime is at_s."""

    def __init__(self, is_right):
        self.is_right = is_right
        self.count = self.at_s = 0

    def _signer(self, agent, digest, signature, code):
        self.count += 1
        if not self.is_right:
            raise errors.OtaError(code)

    def __enter__(self):
        self._patches = [
            patched(keys, "signer", self._signer), patched(log, "uptime_ms", lambda: self.at_s * 1000),
        ]  # fmt: skip
        for patch in self._patches:
            patch.__enter__()
        return self

    def __exit__(self, *arguments):
        for patch in self._patches:
            patch.__exit__(*arguments)


def test_signatures_without_end_cost_one_check_a_minute():
    agent = FakeAgent()
    found = offer(signed_offer=signed())
    with _Checks(False) as checks:
        for second in range(3600):
            checks.at_s = second
            for _ in range(3):
                raises((errors.OtaError), _check, agent, found)
        assert 60 <= checks.count <= 64, checks.count
        checks.is_right = True
        raises_code(errors.ALREADY_RUNNING, _check, agent, found)
        checks.at_s += 60
        _check(agent, found)


def test_right_ones_are_bounded_too_but_the_known_one_is_free():
    agent = FakeAgent()
    found = offer(signed_offer=signed())
    with _Checks(True) as checks:
        agent.offer = found
        for _ in range(100):
            _check(agent, offer(signed_offer=signed(), upgrade_delay=5))
        assert not checks.count
        agent.offer = None
        for _ in range(4):
            _check(agent, found)
        raises_code(errors.ALREADY_RUNNING, _check, agent, found)
        assert checks.count == 8
