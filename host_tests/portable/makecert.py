"""What a certificate begins with, in DER, for tests of what looks into one."""


def der(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    return bytes([tag, 0x82, size >> 8, size & 255]) + content


def certificate(end=b"271218000000Z", tag=0x17, version=True, filler=300):
    """The fields of RFC 5280 up to validity, then something long."""
    names = der(0x30, b"")
    first = der(0xA0, der(2, b"\x02")) if version else b""
    validity = der(0x30, der(0x17, b"200101000000Z"), der(tag, end))
    body = der(0x30, first, der(2, b"\x01" * 20), names, names, validity, names, der(4, bytes(filler)))
    return der(0x30, body, names, der(3, b"\0" + bytes(70)))
