"""Offers for tests: the fields of a valid one, with changes, as payload or as offer.Offer."""

import binascii
import json

from device.offer import parse

SIGNATURE = b"\x30\x44\x02\x20" + b"\x11" * 32 + b"\x02\x20" + b"\x22" * 32


def fields(**changes):
    """The data of a valid offer; a change to the value ABSENT removes the field."""
    values = {
        "version": "1.2.3",
        "http_url": "http://files/fw.bin",
        "https_url": "https://files:8443/fw.bin",
        "size": 10000,
        "signature": base64(SIGNATURE),
        "upgrade_delay": 0,
    }
    values.update(changes)
    values["sig-sha256-ecdsa"] = values.pop("signature")
    return {key: value for key, value in values.items() if value is not ABSENT}


def offer(**changes):
    return parse(fields(**changes))


def of_image(data, **changes):
    """Of an image that its owner has signed; by http unless told otherwise."""
    import signer  # which is long

    changes.setdefault("https_url", ABSENT)
    return offer(size=len(data), signature=base64(signer.sign(data)), **changes)


def base64(data):
    """As a signature or a key stands in JSON."""
    return binascii.b2a_base64(data).decode().strip()


def signed(**changes):
    """The field `signed_offer` for the offer above, without a signature that is one."""
    values = {"sha256": "ab" * 32, "kind": "esp32", "expires": 1800000000}
    values["signature"] = base64(SIGNATURE)
    values.update(changes)
    return {key: value for key, value in values.items() if value is not ABSENT}


def refused(digest, signature="c2ln", at=0, pause_s=0):
    """An entry of the list of refused images."""
    entry = {"version": "1.2.3", "size": 10000, "signature": signature, "digest": digest}
    entry.update({"at": at, "pause_s": pause_s})
    return entry


def message(data, sequence=7, unix_time=1716517000):
    return {"msg_sequence": sequence, "time": unix_time, "data": data}


def payload(**changes):
    return json.dumps(message(fields(**changes))).encode()


ABSENT = object()
