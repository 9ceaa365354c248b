"""HTTP/1.1, the part a download needs: one GET, a bounded head, a body that is counted."""

from micropython import const

from . import errors, url

_HEAD_LIMIT = const(4096)  # status line and headers together
_LINE_LIMIT = const(2048)  # a redirect to a signed URL can be long


class Response:
    """What a response head says. length, first, total: int bytes, -1 where it does not say."""

    def __init__(self, status):
        self.status = status
        self.length = -1
        self.first = -1  # of Content-Range
        self.total = -1
        self.etag = None
        self.location = None
        self.plain = True  # neither chunked nor compressed


def request(scheme, host, port, path, first, etag):
    """The bytes of a GET of everything from byte `first` on."""
    lines = ["GET %s HTTP/1.1" % path, "Host: %s" % _host_header(scheme, host, port)]
    lines.append("User-Agent: micropython-ota")
    lines.append("Accept-Encoding: identity")
    if first:
        lines.append("Range: bytes=%d-" % first)
        if etag:
            lines.append("If-Range: " + etag)
    lines.append("Connection: close\r\n\r\n")
    return "\r\n".join(lines).encode()


def _host_header(scheme, host, port):
    return host if port == url.DEFAULT_PORTS[scheme] else "%s:%d" % (host, port)


def read_head(stream):
    """Generator: yields while nothing has come, returns the Response.

    Reads byte by byte, so that not one byte of the body is taken. Raises OtaError(HTTP_STATUS) for
    what is not HTTP or is too long, CONNECTION_FAILED if the peer hangs up.
    """
    response = None
    one = bytearray(1)
    line = bytearray()
    for _ in range(_HEAD_LIMIT):
        got = stream.readinto(one)
        while got is None:
            yield
            got = stream.readinto(one)
        if got == 0:
            raise errors.OtaError(errors.CONNECTION_FAILED, "closed before the answer")
        if one[0] != 10:
            line.append(one[0])
            if len(line) > _LINE_LIMIT:
                break
            continue
        text = _decode(line)
        line = bytearray()
        if response is None:
            response = Response(_status(text))
        elif not text:
            return response
        else:
            _header(response, text)
    raise errors.OtaError(errors.HTTP_STATUS, "head too long")


def _decode(line):
    try:
        return bytes(line).decode().rstrip("\r")
    except UnicodeError:
        raise errors.OtaError(errors.HTTP_STATUS, "head is not text")


def _status(line):
    parts = line.split(" ", 2)
    if len(parts) < 2 or parts[0] not in ("HTTP/1.1", "HTTP/1.0"):
        raise errors.OtaError(errors.HTTP_STATUS, "not HTTP")
    status = _number(parts[1])
    if not 100 <= status <= 599:
        raise errors.OtaError(errors.HTTP_STATUS, "not HTTP")
    return status


def _header(response, line):
    name, colon, value = line.partition(":")
    name = name.lower()
    value = value.strip()
    if not colon:
        raise errors.OtaError(errors.HTTP_STATUS, "header without colon")
    if name == "content-length":
        length = _number(value)
        if length < 0 or response.length not in (-1, length):
            raise errors.OtaError(errors.HTTP_STATUS, "Content-Length")
        response.length = length
    elif name == "content-range":
        response.first, response.total = _content_range(value)
    elif name == "etag":
        response.etag = value if _is_strong_etag(value) else None
    elif name == "location":
        response.location = value
    elif name in ("transfer-encoding", "content-encoding") and value.lower() != "identity":
        response.plain = False


def _content_range(value):
    """"bytes 4096-9999/10000" -> (4096, 10000); (-1, -1) if it is anything else."""
    span, slash, total = value.partition("/")
    first, dash, last = span[6:].partition("-")
    numbers = (_number(first), _number(last), _number(total))
    if span[:6].lower() != "bytes " or not (slash and dash) or min(numbers) < 0:
        return -1, -1
    if numbers[1] != numbers[2] - 1:  # we asked for all the rest
        return -1, -1
    return numbers[0], numbers[2]


def _is_strong_etag(value):
    return (
        2 <= len(value) <= 128
        and value[0] == value[-1] == '"'
        and all("!" <= char <= "~" for char in value)
    )


def _number(text):
    """Digits -> int, -1 for anything else; ten digits hold every size we accept."""
    if not 0 < len(text) <= 10 or not all("0" <= digit <= "9" for digit in text):
        return -1
    return int(text)


def redirect_target(response, host, port, path, scheme):
    """Where a 3xx leads -> (scheme, host, port, path). Never from https to http, nor to another scheme.

    Raises OtaError(HTTP_STATUS).
    """
    location = response.location or ""
    if location.startswith("/") and not location.startswith("//"):
        base = "%s://%s:%d" % (scheme, host, port)
        location = base + location
    target = "https" if location.startswith("https://") else "http"
    try:
        if scheme == "https" and target != "https":
            raise errors.OtaError(errors.BAD_MESSAGE, "")
        return (target,) + url.parse(location, target)
    except errors.OtaError:
        raise errors.OtaError(errors.HTTP_STATUS, "redirect refused")
