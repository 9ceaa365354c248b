"""MQTT messages: topics, envelopes, and every check of an update offer. No I/O."""

import hashlib
import json

from . import errors, jsontext, url, version

REPORT = "firmware/report"
UPDATE = "update"
GET = "get"
RESPONSE = "response"
PROGRESS = "progress/report"

VERIFIED_DATA = '{"state": "verified"}'  # of a PROGRESS message

_SEQUENCE_LIMIT = 1 << 32
_SMALLEST = 65  # of an image, in bytes: more than its held-back head
_SIZE_LIMIT = 1 << 31
_SECONDS_LIMIT = 100_000_000_000  # from here on a Unix time is in milliseconds


def topic(prefix, mac, name):
    return "%s/%s/ota/%s" % (prefix, mac, name)


class Offer:
    """An update offer that passed every check that needs nothing but the message.

    version str, url str, size int bytes, signature bytes (DER), signature_text str (base64 of it),
    start_at int Unix seconds (0 = now);
    `fields` is the offer's own dict, kept so that a delayed offer can be stored and checked again.
    """

    def __init__(self, fields):
        """Raises OtaError(BAD_MESSAGE)."""
        self.fields = fields
        self.version = fields.get("version")
        _need(version.parse(self.version), "version")
        self.url = _pick_url(fields)
        self.size = _integer(fields.get("size"), "size", _SMALLEST, _SIZE_LIMIT)
        self.signature_text = fields.get("sig-sha256-ecdsa")
        self.signature = _base64(self.signature_text, "sig-sha256-ecdsa")
        self.start_at = _unix_seconds(fields.get("upgrade_delay", 0), "upgrade_delay")
        sealed = fields.get("signed_offer")
        self.seal = None if sealed is None else Seal(sealed, self)

    def kept_fields(self):
        """The fields worth storing: unknown ones can be of any size."""
        names = ("version", "http_url", "https_url", "size", "sig-sha256-ecdsa", "upgrade_delay")
        kept = {name: self.fields[name] for name in names if name in self.fields}
        if self.seal:
            kept["signed_offer"] = self.seal.kept_fields()
        return kept


class Seal:
    """The owner's word on the offer itself, if it has the field `signed_offer`: an object with sha256 (of
    the image, 64 hex digits), kind, expires (Unix s or ms) and signature (base64).

    image_digest str, kind str, expires int Unix seconds, signature bytes (DER), digest bytes that it signs.
    """

    def __init__(self, fields, offer):
        """Raises OtaError(BAD_MESSAGE)."""
        _need(isinstance(fields, dict), "signed_offer")
        self._fields = fields
        self.image_digest = fields.get("sha256")
        _need(_is_hex(self.image_digest) and len(self.image_digest) == 64, "sha256")
        self.kind = fields.get("kind")
        _need(isinstance(self.kind, str) and len(self.kind) < 16, "kind")
        self.expires = _unix_seconds(fields.get("expires"), "expires")
        self.signature = _base64(fields.get("signature"), "signature of the offer")
        facts = (offer.version, offer.size, self.image_digest, self.kind, fields["expires"])
        text = hashlib.sha256(("%s %d %s %s %d" % facts).encode()).digest()
        # What is hashed is shorter than _SMALLEST, so that it can be passed off for no image.
        self.digest = hashlib.sha256(b"ota-offer-1\n" + text).digest()

    def kept_fields(self):
        return {name: self._fields[name] for name in ("sha256", "kind", "expires", "signature")}


def parse_offer(payload):
    """bytes -> (msg_sequence, Offer). Raises OtaError(BAD_MESSAGE)."""
    message = jsontext.parse_object(payload)
    _need(message is not None, "not a whole JSON object")
    sequence = _integer(message.get("msg_sequence"), "msg_sequence", 0, _SEQUENCE_LIMIT)
    _unix_seconds(message.get("time"), "time")
    data = message.get("data")
    _need(isinstance(data, dict), "data")
    return sequence, Offer(data)


def envelope(sequence, seconds, data):
    """seconds: Unix time, on the wire in ms. data: a JSON text. Formatted by hand: MicroPython's dicts do not
    keep their order."""
    return '{"msg_sequence": %d, "time": %d000, "data": %s}' % (sequence, seconds, data)


def report_data(kind, running_version, build_time, slot):
    """kind: "INIT" or "UPDATE". slot: label of the partition that runs."""
    return '{"type": "%s", "version": "%s", "build_time": %s, "slot": "%s"}' % (
        kind,
        running_version,
        json.dumps(build_time),
        slot,
    )


def progress_data(percent):
    return '{"progress": %d}' % percent


def error_data(code, language, facts=()):
    """facts: [(name, str)], what the code alone does not say."""
    text = '{"errorCode": %d, "errorMsg": %s' % (code, json.dumps(errors.text(code, language)))
    for name, value in facts:
        text += ', "%s": %s' % (name, json.dumps(value))
    return text + "}"


def _need(fact, what):
    if not fact:
        raise errors.OtaError(errors.BAD_MESSAGE, "bad offer: " + what)


def _integer(value, name, low, high):
    _need(isinstance(value, int) and not isinstance(value, bool) and low <= value <= high, name)
    return value


def _unix_seconds(value, name):
    value = _integer(value, name, 0, _SECONDS_LIMIT * 1000)
    return value // 1000 if value >= _SECONDS_LIMIT else value


def _pick_url(fields):
    """https_url where there is one; a url that is there must be right even if it is not used."""
    chosen = None
    for scheme in ("http", "https"):
        value = fields.get(scheme + "_url")
        if value is not None:
            url.parse(value, scheme)
            chosen = value
    _need(chosen, "no URL")
    return chosen


def _is_hex(value):
    return isinstance(value, str) and all(digit in "0123456789abcdef" for digit in value)


def _base64(value, name):
    _need(isinstance(value, str) and 8 <= len(value) <= 128, name)
    decoded = jsontext.from_base64(value)
    _need(decoded is not None, name)
    return decoded
