"""What the owner's keys and certificates are kept in, and what the owner signs besides images."""

import signer
from targets import TARGETS

from device import connection, expiry, keytable, offer_signature, strict, verify

_OFFER = ("1.2.3", 10000)  # its version and size


def certificates(raw):
    """Where each of several ends, and until when it is valid."""
    found = connection.certificates(raw)
    assert b"".join(found) == raw
    return [[len(one), list(expiry.end_of(one))] for one in found]


def table(raw):
    """A table file of signer's key."""
    return bytes(keytable.load(raw, signer.KEY))


def next_key(raw):
    """As it stands in a trailer. What CPython does not decode MicroPython may; neither takes it for a key."""
    try:
        text = raw.decode()
    except UnicodeError:
        text = ""
    return verify.decode_key(text)


def signed_offer(raw):
    values = strict.json_object(raw)
    if values is None:
        return None
    made, kept = offer_signature.parse(values, *_OFFER)
    again, _ = offer_signature.parse(kept, *_OFFER)  # as after a reboot
    assert again.digest == made.digest and len(made.digest) == 32
    return [made.image_digest, made.kind, made.expires, made.signature]


TARGETS["certificates"] = certificates
TARGETS["table"] = table
TARGETS["next_key"] = next_key
TARGETS["signed_offer"] = signed_offer
