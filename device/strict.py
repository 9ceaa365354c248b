"""Texts from outside, parsed strictly: JSON, base64, versions.

MicroPython's own parsers take a JSON text that was cut off for a good one, and skip in base64 what they do
not know.
"""

import binascii
import json

_MAX_DEPTH = 64


def json_object(text):
    """The dict in these bytes (UTF-8, behind a byte order mark or not), or None if they are not one whole
    JSON object."""
    if text[:3] == b"\xef\xbb\xbf":
        text = text[3:]
    if not _is_whole(text):
        return None
    try:
        value = json.loads(_join_pairs(text))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _is_whole(text):
    """True if the brackets close, in order, and only at the end."""
    closing = bytearray()  # what the open brackets need, innermost last
    in_string = escaped = started = False
    for byte in text:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte in b" \t\r\n":
            continue
        elif started and not closing:
            return False  # something follows the object
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            closing.append(byte + 2)  # in ASCII
            started = True
            if len(closing) > _MAX_DEPTH:
                return False
        elif byte in b"}]":
            if not closing or closing[-1] != byte:
                return False
            closing = closing[:-1]
    return started and not closing


def _join_pairs(text):
    """What many programs write for a character above U+FFFF, "\\ud83d\\ude00", as that character:
    MicroPython's parser makes two of it."""
    at = text.find(b"\\u")
    while at >= 0:
        try:
            high, low = int(text[at + 2 : at + 6], 16), int(text[at + 8 : at + 12], 16)
            if high >> 10 == 54 and low >> 10 == 55 and text[at + 6 : at + 8] == b"\\u":
                text = text[:at] + chr((high << 10) + low - 0x35FDC00).encode() + text[at + 12 :]
        except ValueError:
            pass
        at = text.find(b"\\u", at + 1)
    return text


def is_number(value):
    """An integer, and no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def base64(text):
    """The bytes of a text in base64, None if it is not just that."""
    try:
        data = binascii.a2b_base64(text)
        return data if binascii.b2a_base64(data).decode() == text + "\n" else None
    except (ValueError, TypeError, UnicodeError):
        return None


def version(text):
    """ "1.2.13" -> (1, 2, 13), each 0..99; None for anything that is not such a version."""
    if not isinstance(text, str) or not 5 <= len(text) <= 8:
        return None
    parts = text.split(".")
    if len(parts) != 3:
        return None
    for part in parts:
        if not 1 <= len(part) <= 2 or (len(part) == 2 and part[0] == "0") or not _are_digits(part):
            return None
    return (int(parts[0]), int(parts[1]), int(parts[2]))


def _are_digits(text):
    return all("0" <= digit <= "9" for digit in text)
