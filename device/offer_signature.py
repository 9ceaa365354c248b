"""Checks the owner's signature on the offer itself: the field `signed_offer` of those that have one.

It is an object with sha256 (of the image, 64 hex digits), kind, expires (Unix s or ms) and signature
(base64). Newer ones also have issued (Unix s or ms) and issued_signature, over that too, which counts where a
refused image is to return: earlier boards take only the other.
"""

import binascii
import hashlib
from collections import namedtuple

from micropython import const

from . import clock, errors, log, phases

_FREE_CHECKS = const(4)  # at once, each takes seconds; then one …
_CHECK_S = const(60)  # … in this time
_NAMES = ("sha256", "kind", "expires", "signature", "issued", "issued_signature")
_PREFIX = "signed_offer."

# image_digest str, kind str, expires int Unix seconds, signature bytes (DER), digest bytes that it signs;
# issued int Unix seconds (0 = not known), proof: signature and digest of that.
OfferSignature = namedtuple(
    "OfferSignature", ("image_digest", "kind", "expires", "signature", "digest", "issued", "proof")
)


def parse(fields, version, size):
    """version and size of the offer -> (OfferSignature, the fields worth storing). Raises
    OtaError(BAD_MESSAGE)."""
    from . import offer  # who calls this; check() goes without

    offer.need(isinstance(fields, dict), "signed_offer")
    image_digest = fields.get("sha256")
    offer.need(_is_hex(image_digest) and len(image_digest) == 64, _PREFIX + "sha256")
    kind = fields.get("kind")
    offer.need(isinstance(kind, str) and len(kind) < 16, _PREFIX + "kind")
    expires = offer.unix_seconds(fields.get("expires"), _PREFIX + "expires")
    signature = offer.decode(fields.get("signature"), _PREFIX + "signature")
    text = "%s %d %s %s %d" % (version, size, image_digest, kind, fields["expires"])
    issued, proof = 0, None
    if "issued" in fields:
        issued = offer.unix_seconds(fields["issued"], _PREFIX + "issued")
        proof = offer.decode(fields.get("issued_signature"), _PREFIX + "issued_signature")
        proof = proof, _digest("%s %d" % (text, fields["issued"]))
    found = OfferSignature(image_digest, kind, expires, signature, _digest(text), issued, proof)
    return found, {name: fields[name] for name in _NAMES if name in fields}


def _digest(text):
    """What is hashed is shorter than the smallest image, so that it can be passed off for none."""
    return hashlib.sha256(b"ota-offer-1\n" + hashlib.sha256(text.encode()).digest()).digest()


def _is_hex(value):
    return isinstance(value, str) and all(digit in "0123456789abcdef" for digit in value)


def check(agent, offer):
    """offer: an offer.Offer with a signature of its own. That of the image is checked too, so that nobody
    can put another one beside it. Raises OtaError: OFFER_SIGNATURE; ALREADY_RUNNING if too many were checked
    in a short time."""
    found, known, now_s = offer.own_signature, agent.offer, log.uptime_ms() // 1000
    if found.kind != agent.config.image or found.expires <= clock.now():
        raise errors.OtaError(errors.OFFER_SIGNATURE, "the offer has expired, or is of another kind")
    if known and known.own_signature == found and known.signature == offer.signature:
        return
    if agent.checked_s - now_s >= _FREE_CHECKS * _CHECK_S:
        raise errors.OtaError(errors.ALREADY_RUNNING, "too many signed offers")
    agent.checked_s = max(agent.checked_s, now_s) + _CHECK_S
    phases.call("keys", "signer", agent, found.digest, found.signature, errors.OFFER_SIGNATURE)
    digest = binascii.unhexlify(found.image_digest)
    phases.call("keys", "signer", agent, digest, offer.signature, errors.OFFER_SIGNATURE)
