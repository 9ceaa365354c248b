"""An update offer: every check of it that needs nothing but the message. No I/O."""

from collections import namedtuple

from . import errors, phases, strict

SECONDS_LIMIT = 100_000_000_000  # from here on a Unix time is in milliseconds
_SMALLEST = 65  # of an image, in bytes: more than its held-back head
_SIZE_LIMIT = 1 << 31
_EXACT = 1 << 24  # up to here a board's floats, of 32 bits, hold every integer
_LONGEST_URL = 2048  # it stays in memory until the image is confirmed

# version str, number (major, minor, patch), url str, address (see strict.py), size int bytes,
# signature bytes (DER), signature_text str (base64 of it), start_at int Unix seconds (0 = now),
# own_signature: see offer_signature.py, None without one. fields: what of the offer is worth storing, so that
# it can be checked again after a reboot.
Offer = namedtuple(
    "Offer",
    (
        "version", "number", "url", "address", "size", "signature", "signature_text", "start_at",
        "own_signature", "fields",
    ),
)  # fmt: skip


def parse_message(payload):
    """bytes -> (msg_sequence as it came, Offer), or with a text if that cancels the offer with this
    signature, "*" = any. What nobody uses may be anything. Raises OtaError(BAD_MESSAGE) with the field that
    is wrong; "message" is the whole of it."""
    need(payload, "length")  # link.py leaves nothing of one that is too long
    message = strict.json_object(payload)
    need(message is not None, "message")
    data = message.get("data")
    need(isinstance(data, dict), "data")
    cancelled = data.get("cancel")
    if cancelled is not None:
        need(isinstance(cancelled, str), "cancel")
        return message.get("msg_sequence"), cancelled, message.get("time")
    return message.get("msg_sequence"), parse(data), message.get("time")


def parse(fields):
    """The offer's own dict -> Offer. Raises OtaError(BAD_MESSAGE)."""
    version = fields.get("version")
    number = strict.version(version)
    need(number, "version")
    size = _integer(fields.get("size"), "size", _SMALLEST, _SIZE_LIMIT)
    text = fields.get("sig-sha256-ecdsa")
    signature = decode(text, "sig-sha256-ecdsa")
    delay = fields.get("upgrade_delay")
    start_at = 0 if delay is None else unix_seconds(delay, "upgrade_delay")
    kept = {"version": version, "size": size, "sig-sha256-ecdsa": text, "upgrade_delay": start_at}
    url, address = _pick_url(fields, kept)
    own = fields.get("signed_offer")
    if own is not None:
        own, kept["signed_offer"] = phases.call("offer_signature", "parse", own, version, size)
    return Offer(version, number, url, address, size, signature, text, start_at, own, kept)


def need(fact, field):
    if not fact:
        raise errors.OtaError(errors.BAD_MESSAGE, "bad offer: " + field, (("field", field),))


def _integer(value, name, low, high):
    if isinstance(value, float) and 0 <= value < _EXACT and value % 1 == 0:  # 1e4 or 10000.0
        value = int(value)
    need(strict.is_number(value) and low <= value <= high, name)
    return value


def unix_seconds(value, name):
    value = _integer(value, name, 0, SECONDS_LIMIT * 1000)
    return min(value // 1000, SECONDS_LIMIT - 1) if value >= SECONDS_LIMIT else value


def _pick_url(fields, kept):
    """https_url where there is one: an offer with a wrong one never falls back to http."""
    scheme = "http" if fields.get("https_url") in (None, "") else "https"
    name = scheme + "_url"
    url = kept[name] = fields.get(name)
    try:
        address = strict.split_url(url, scheme)
    except errors.OtaError as error:
        error.facts = (("field", name),)
        raise error
    need(len(url) <= _LONGEST_URL, name)
    return url, address


def decode(value, name):
    """The bytes of a text in base64."""
    need(isinstance(value, str) and 8 <= len(value) <= 128, name)
    decoded = strict.base64(value)
    need(decoded is not None, name)
    return decoded
