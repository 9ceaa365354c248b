"""The JSON inside an input: MicroPython's parser takes some texts that are not JSON, so what it saw is
written down anew, and CPython says whether that is right."""

_PARTS = ("json", "offer", "config", "state", "signed_offer")
_MARK = b"OTAT"


def find(name, raw):
    """The bytes that the parser will take for JSON, or None."""
    if name == "trailer" and raw[-4:] == _MARK and len(raw) >= 6:
        length = raw[-6] | raw[-5] << 8
        return raw[-6 - length : -6] if length <= min(512, len(raw) - 6) else None
    return raw if name in _PARTS else None


def replace(name, raw, text):
    """The input with this text as its JSON, "-" = what is not JSON."""
    part = text.encode()
    if name != "trailer":
        return part
    old = find(name, raw)
    if old is None:
        return raw
    return raw[: len(raw) - 6 - len(old)] + part + bytes([len(part) & 255, len(part) >> 8]) + _MARK


def dump(value, write):
    """Write it as JSON of plain ASCII, piece by piece; every float becomes 0.5."""
    if isinstance(value, dict):
        for number, key in enumerate(value):
            write("," if number else "{")
            dump(str(key), write)
            write(":")
            dump(value[key], write)
        write("}" if value else "{}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            write("," if number else "[")
            dump(item, write)
        write("]" if value else "[]")
    elif isinstance(value, str):
        write('"')
        for char in value:
            write(_char(ord(char)))
        write('"')
    elif isinstance(value, float):
        write("0.5")
    elif value is None or isinstance(value, bool):
        write({None: "null", True: "true", False: "false"}[value])
    else:
        write(str(value))


def _char(code):
    if 0x20 <= code < 0x7F and code not in (0x22, 0x5C):
        return chr(code)
    if code < 0x10000:
        return "\\u%04x" % code
    code -= 0x10000
    return "\\u%04x\\u%04x" % (0xD800 | code >> 10, 0xDC00 | code & 0x3FF)
