"""Every parser of outside input as bytes in, plain values out. Runs unchanged on CPython and MicroPython.

A target returns what the parser made of the bytes, raises OtaError, or returns None where the parser's own
"no" is None or False. It also checks what must hold for every input, with `assert`.
"""

import binascii
import struct

import signer
from check import patched, run, settings
from fakestream import CLOSE, TRICKLE, Peer

from device import ecdsa, errors, log, ntp, response, strict, verify
from device import slot as image_header
from device.offer import parse, parse_message

_SCHEMES = ("http", "https", "mqtt", "mqtts")
_KINDS = ("wm", "esp32", "raw")
_UNKNOWN_CHIP = 255
_HEAD_LIMIT = 16384
_STEP = 256  # bytes of a head that are read at a time
_TRAILER_LIMIT = 518  # bytes of the end of an image that the device looks at
_SHOWN = 60  # characters of a text
_DIGEST = signer.hashlib.sha256(b"fuzz").digest()
BOARD = "lamp"
OFFERED = "1.2.3"


def _text(raw):
    try:
        return raw.decode()
    except UnicodeError:
        return None


def json_object(raw):
    return strict.json_object(raw)


def offer(raw):
    _, made, _ = parse_message(raw)  # whatever stands for its sequence
    again = parse(made.fields)  # as after a reboot
    assert (again.version, again.url, again.size) == (made.version, made.url, made.size)
    assert (again.signature, again.start_at) == (made.signature, made.start_at)
    return {
        "version": made.version, "url": made.url, "size": made.size,
        "signature": made.signature, "signature_text": made.signature_text, "start_at": made.start_at,
    }  # fmt: skip


def version_text(raw):
    return strict.version(_text(raw))


def build_time(raw):
    text = _text(raw)
    return (text is not None and ntp.build_seconds(text)) or None


def url_text(raw):
    """The first byte chooses the scheme that is asked for; what is not a text comes as bytes."""
    scheme = _SCHEMES[raw[0] & 3] if raw else "http"
    text = _text(raw[1:])
    return _parts(strict.split_url(raw if text is None else text, scheme))[1:]


def _parts(address):
    """(scheme, host, port, what a request asks for)"""
    scheme, host, port, url, start = address
    return scheme, host, port, url[start:] if url[start : start + 1] == "/" else "/" + url[start:]


def head(raw):
    """The same, whole or in single bytes with pauses between."""
    found, steps = _read_head(_peer(raw))
    slow, slow_steps = _read_head(_peer(raw, TRICKLE))
    assert steps <= len(raw) // _STEP and slow_steps <= min(len(raw) + 1, _HEAD_LIMIT) + steps
    assert show(found) == show(slow)
    if isinstance(found, errors.OtaError):
        raise found
    return found


def _peer(raw, chunk=1 << 20):
    """Sends all that and hangs up."""
    return Peer([raw, CLOSE] if raw else [CLOSE], chunk)


def _read_head(peer):
    """({what the Response says, taken}, pauses), or (the OtaError, pauses)."""
    pauses = 0

    def count(_):
        nonlocal pauses
        pauses += 1

    try:
        said = run(response.read_head(peer), count)
        found = {
            "status": said.status, "length": said.length, "span": said.span,
            "retry_after": said.retry_after, "etag": said.etag, "coding": said.coding,
            "location": said.location, "taken": peer.taken,
        }  # fmt: skip
    except errors.OtaError as error:
        found = error
    assert peer.taken <= _HEAD_LIMIT
    return found, pauses


def redirect(raw):
    """Where a head leads, for a request over http and for one over https."""
    location = run(response.read_head(_peer(raw))).location or ""
    return [_target(location, "http"), _target(location, "https")]


def _target(location, scheme):
    try:
        address = strict.split_url(scheme + "://files:8080/dir/old?x", scheme)
        return _parts(strict.redirect(location, (), *address))
    except errors.OtaError as error:
        return error.code


def header(raw):
    """Kind, chip (255 = not known) and u32 size of the file, then the first bytes, padded as a block is."""
    raw += bytes(max(0, 102 - len(raw)))
    kind, chip, size = struct.unpack("<BBI", raw[:6])
    found = image_header.read_header(_KINDS[kind % 3], raw[6:], size, None if chip == _UNKNOWN_CHIP else chip)
    return [found.version, found.body_end, found.body_crc, found.file_end]


def trailer(raw):
    """A whole image: its trailer, and whether the offer's version had to stand in for one inside."""
    record, length = verify.read_trailer(raw[-_TRAILER_LIMIT:])
    assert 0 <= length <= len(raw) and (record is not None or length == 0)
    config = settings(board=BOARD, accept_unversioned=record is None)
    stands = verify.check_identity(record, image_header.Header("", 0, 0, 0), strict.version(OFFERED), config)
    return [record and {key: record[key] for key in ("version", "board", "build_time")}, stands]


def signature(raw):
    """Against one key and one digest."""
    return ecdsa.verify(signer.raw_key(signer.PUBLIC), _DIGEST, raw) or None


def key(raw):
    return ecdsa.public_point(raw)


TARGETS = {
    "json": json_object, "offer": offer, "version": version_text, "build_time": build_time,
    "url": url_text, "head": head, "redirect": redirect, "header": header, "trailer": trailer,
    "signature": signature, "key": key,
}  # fmt: skip


def outcome(name, raw):
    """One line: `accepted VALUE`, `refused`, `refused CODE`, or `ESCAPED CLASS text`."""
    with patched(log, "output", lambda line: None):
        try:
            value = TARGETS[name](raw)
            return "refused" if value is None else "accepted " + show(value)
        except errors.OtaError as error:
            return "refused %d" % error.code
        except Exception as error:
            return "ESCAPED %s %s" % (type(error).__name__, " ".join(str(error).split()))


def show(value):
    """The same text on every interpreter, whatever their dicts and their repr do."""
    if isinstance(value, dict):
        pairs = sorted("%s: %s" % (show(str(key)), show(value[key])) for key in value)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join([show(item) for item in value]) + "]"
    if isinstance(value, str):
        return _show_text(value)
    if isinstance(value, bytes):
        return "%d bytes, CRC %d" % (len(value), binascii.crc32(value))
    return "float" if isinstance(value, float) else str(value)


def _show_text(text):
    """Its first characters, and for the rest a checksum: a small heap must do."""
    shown = '"'
    count = crc = 0
    for code in _codes(text):
        count += 1
        if count <= _SHOWN:
            shown += _show_char(code)
        else:
            crc = binascii.crc32(code.to_bytes(4, "little"), crc)
    return shown + '"' + (" and %d more, CRC %d" % (count - _SHOWN, crc) if crc else "")


def _codes(text):
    """MicroPython leaves a character beyond U+FFFF that stands in JSON as an escaped pair in two halves."""
    high = 0
    for char in text:
        code = ord(char)
        if high and 0xDC00 <= code < 0xE000:
            yield 0x10000 + ((high & 0x3FF) << 10 | code & 0x3FF)
            high = 0
            continue
        if high:
            yield high
        high = code if 0xD800 <= code < 0xDC00 else 0
        if not high:
            yield code
    if high:
        yield high


def _show_char(code):
    return chr(code) if 0x20 <= code < 0x7F and code not in (0x22, 0x5C) else "\\{%x}" % code
