"""MQTT messages: topics, envelopes, and every check of an update offer. No I/O."""

import binascii
import json

from . import errors, jsontext, url, version

REPORT = "firmware/report"
UPDATE = "update"
GET = "get"
RESPONSE = "response"
PROGRESS = "progress/report"

_SEQUENCE_LIMIT = 1 << 32
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
        self.size = _integer(fields.get("size"), "size", 1, _SIZE_LIMIT)
        self.signature_text = fields.get("sig-sha256-ecdsa")
        self.signature = _base64(self.signature_text)
        self.start_at = _unix_seconds(fields.get("upgrade_delay", 0), "upgrade_delay")

    def kept_fields(self):
        """The fields worth storing: unknown ones can be of any size."""
        kept = ("version", "http_url", "https_url", "size", "sig-sha256-ecdsa", "upgrade_delay")
        return {name: self.fields[name] for name in kept if name in self.fields}


def parse_offer(payload):
    """bytes -> (msg_sequence, Offer). Raises OtaError(BAD_MESSAGE)."""
    message = jsontext.parse_object(payload)
    _need(message is not None, "not a whole JSON object")
    sequence = _integer(message.get("msg_sequence"), "msg_sequence", 0, _SEQUENCE_LIMIT)
    _unix_seconds(message.get("time"), "time")
    data = message.get("data")
    _need(isinstance(data, dict), "data")
    return sequence, Offer(data)


def envelope(sequence, unix_ms, data):
    """data: a JSON text. Formatted by hand: MicroPython's dicts do not keep their order."""
    return '{"msg_sequence": %d, "time": %d, "data": %s}' % (sequence, unix_ms, data)


def report_data(kind, running_version, build_time):
    """kind: "INIT" or "UPDATE"."""
    return '{"type": "%s", "version": "%s", "build_time": %s}' % (
        kind,
        running_version,
        json.dumps(build_time),
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


def _base64(value):
    """Strict: MicroPython's decoder skips what it does not know, so decode, encode and compare."""
    _need(isinstance(value, str) and 8 <= len(value) <= 128, "sig-sha256-ecdsa")
    try:
        decoded = binascii.a2b_base64(value)
        same = binascii.b2a_base64(decoded).decode() == value + "\n"
    except (ValueError, UnicodeError):
        same = False
    _need(same, "sig-sha256-ecdsa")
    return decoded
