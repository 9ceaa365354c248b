"""JSON that is whole: MicroPython's own parser takes a text that was cut off for a good one."""

import json

from micropython import const

_MAX_DEPTH = const(8)


def parse_object(text):
    """The dict in these bytes, or None if they are not one whole JSON object."""
    if not _is_whole(text):
        return None
    try:
        value = json.loads(text)
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
