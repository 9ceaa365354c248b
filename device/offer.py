"""An update offer: every check of it that needs nothing but the message. No I/O."""

from collections import namedtuple

from . import errors, phases, strict, urls

SECONDS_LIMIT = 100_000_000_000  # from here on a Unix time is in milliseconds
_SEQUENCE_LIMIT = 1 << 32
_SMALLEST = 65  # of an image, in bytes: more than its held-back head
_SIZE_LIMIT = 1 << 31
_LONGEST_URL = 2048  # it stays in memory until the image is confirmed
_KEPT = ("version", "http_url", "https_url", "size", "sig-sha256-ecdsa", "upgrade_delay")

# version str, number (major, minor, patch), url str, address (see urls.py), size int bytes,
# signature bytes (DER), signature_text str (base64 of it), start_at int Unix seconds (0 = now),
# own_signature: see offer_signature.py, None without one. fields: the offer's own dict, as far as it is
# worth storing, so that it can be checked again after a reboot.
Offer = namedtuple(
    "Offer",
    (
        "version", "number", "url", "address", "size", "signature", "signature_text", "start_at",
        "own_signature", "fields",
    ),
)  # fmt: skip


def parse_message(payload):
    """bytes -> (msg_sequence, Offer). Raises OtaError(BAD_MESSAGE)."""
    message = strict.json_object(payload)
    need(message is not None, "not a whole JSON object")
    sequence = _integer(message.get("msg_sequence"), "msg_sequence", 0, _SEQUENCE_LIMIT)
    unix_seconds(message.get("time"), "time")
    data = message.get("data")
    need(isinstance(data, dict), "data")
    return sequence, parse(data)


def parse(fields):
    """The offer's own dict -> Offer. Raises OtaError(BAD_MESSAGE)."""
    version = fields.get("version")
    number = strict.version(version)
    need(number, "version")
    url, address = _pick_url(fields)
    size = _integer(fields.get("size"), "size", _SMALLEST, _SIZE_LIMIT)
    text = fields.get("sig-sha256-ecdsa")
    signature = decode(text, "sig-sha256-ecdsa")
    start_at = unix_seconds(fields.get("upgrade_delay", 0), "upgrade_delay")
    kept = {name: fields[name] for name in _KEPT if name in fields}  # unknown ones can be of any size
    own = fields.get("signed_offer")
    if own is not None:
        own, kept["signed_offer"] = phases.call("offer_signature", "parse", own, version, size)
    return Offer(version, number, url, address, size, signature, text, start_at, own, kept)


def need(fact, what):
    if not fact:
        raise errors.OtaError(errors.BAD_MESSAGE, "bad offer: " + what)


def _integer(value, name, low, high):
    need(strict.is_number(value) and low <= value <= high, name)
    return value


def unix_seconds(value, name):
    value = _integer(value, name, 0, SECONDS_LIMIT * 1000)
    return value // 1000 if value >= SECONDS_LIMIT else value


def _pick_url(fields):
    """https_url where there is one; a url that is there must be right even if it is not used."""
    url = address = None
    for scheme in ("http", "https"):
        value = fields.get(scheme + "_url")
        if value is not None:
            url, address = value, urls.split(value, scheme)
    need(url and len(url) <= _LONGEST_URL, "URL")
    return url, address


def decode(value, name):
    """The bytes of a text in base64."""
    need(isinstance(value, str) and 8 <= len(value) <= 128, name)
    decoded = strict.base64(value)
    need(decoded is not None, name)
    return decoded
