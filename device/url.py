"""URLs: just enough to open one, and nothing that could smuggle a header."""

from . import errors


def parse(url, scheme):
    """"https://host:8443/a?b" with its scheme -> (host, port, "/a?b").

    Raises OtaError(BAD_MESSAGE) for another scheme, user names, control characters, spaces
    or anything else a request line must not hold.
    """
    prefix = scheme + "://"
    if not isinstance(url, str) or not url.startswith(prefix) or not _is_printable(url):
        raise errors.OtaError(errors.BAD_MESSAGE, "not an absolute %s URL" % scheme)
    rest = url[len(prefix) :].split("#", 1)[0]
    cut = len(rest)
    for mark in "/?":
        found = rest.find(mark)
        if 0 <= found < cut:
            cut = found
    host, port = _host_port(rest[:cut], _default_port(scheme))
    path = rest[cut:]
    return host, port, path if path.startswith("/") else "/" + path


def _default_port(scheme):
    return {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}[scheme]


def _host_port(authority, default):
    host, colon, port = authority.partition(":")
    if colon:
        if not port or len(port) > 5 or not all("0" <= digit <= "9" for digit in port):
            raise errors.OtaError(errors.BAD_MESSAGE, "bad port in URL")
        default = int(port)
    if not host or len(host) > 253 or "@" in host or not 0 < default < 65536:
        raise errors.OtaError(errors.BAD_MESSAGE, "bad host in URL")
    return host, default


def _is_printable(text):
    return all("!" <= char <= "~" and char not in '"<>\\^`{|}' for char in text)
