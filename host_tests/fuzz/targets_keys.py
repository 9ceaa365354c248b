"""What the owner's keys and certificates are kept in, and what the owner signs besides images."""

import makeoffer
import signer
from targets import TARGETS

from device import certs, jsontext, keyring, keytable, messages


def certificates(raw):
    """Where each of several ends, and until when it is valid."""
    found = certs.split(raw)
    assert b"".join(found) == raw
    return [[len(one), list(certs.end_of(one))] for one in found]


def table(raw):
    """A table file of signer's key."""
    return bytes(keytable.load(raw, signer.KEY))


def next_key(raw):
    """As it stands in a trailer. What is no text to CPython may be one to MicroPython; a key is neither."""
    try:
        text = raw.decode()
    except UnicodeError:
        text = ""
    return keyring.KeyRing.decode(text)


def seal(raw):
    values = jsontext.parse_object(raw)
    if values is None:
        return None
    made = messages.Seal(values, makeoffer.offer())
    again = messages.Seal(made.kept_fields(), makeoffer.offer())  # as after a reboot
    assert again.digest == made.digest and len(made.digest) == 32
    return [made.image_digest, made.kind, made.expires, made.signature]


TARGETS["certificates"] = certificates
TARGETS["table"] = table
TARGETS["next_key"] = next_key
TARGETS["seal"] = seal
