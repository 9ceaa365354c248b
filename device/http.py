"""HTTP/1.1, the part a download needs: one GET, a bounded head; every wait bounded."""

import time
from collections import namedtuple

from micropython import const

from . import errors

_REDIRECTS = (301, 302, 303, 307, 308)
_HEAD_LIMIT = const(4096)  # status line and headers together
_LINE_LIMIT = const(2048)  # a redirect to a signed URL can be long
_LINES_LIMIT = const(64)
_TAB = const(9)
_LF = const(10)
_CR = const(13)

# What a response head says. status: int. length: of the body in bytes, -1 where it does not say. span: of
# Content-Range as (first, last, total), None without one, () if it is not understood. retry_after: s. etag: str or
# None. is_plain: no Transfer-Encoding, not compressed.
Answer = namedtuple("Answer", ("status", "length", "span", "retry_after", "etag", "is_plain"))


def ask(agent, stream, address, question, sent):
    """Generator: send the request over a net.Stream, read the head of what comes: (Answer, where a redirect leads:
    str, None if it is not one). The stream then gives the body.

    address: (scheme, host, port, path). question: (first byte, last byte, ETag of the file it must still be or None) of
    agent.offer's image. sent(): called when it is sent, which over TLS takes the handshake. Raises OtaError.
    """
    first, last, etag = question
    scheme, host, port, path = address
    stream.write(request(scheme, host, port, path, span(first, last, agent.offer.size), etag))
    sent()
    started = time.ticks_ms()
    head = read_head(stream)
    while True:
        try:
            next(head)
        except StopIteration as stop:
            response = stop.value
            break
        agent.check_wifi()
        stream.stall(started, agent.config.http_timeout_s * 1000)
        yield
    return response.answer(), (response.location or "") if response.status in _REDIRECTS else None


class Response:
    """An Answer on its way; location: where a redirect leads, str or None."""

    def __init__(self, status):
        self.status = status
        self.length = -1
        self.span = None
        self.retry_after = 0
        self.etag = None
        self.location = None
        self.is_plain = True

    def answer(self):
        return Answer(self.status, self.length, self.span, self.retry_after, self.etag, self.is_plain)


def span(first, last, size):
    """The value of the header Range for these bytes of a file of that size, "" for all of it."""
    if last + 1 < size:
        return "bytes=%d-%d" % (first, last)
    return "bytes=%d-" % first if first else ""


def request(scheme, host, port, path, wanted, etag):
    """The bytes of a GET. wanted: of span(); etag: of the file it must still be, None = any."""
    if port != (443 if scheme == "https" else 80):
        host = "%s:%d" % (host, port)
    lines = ["GET %s HTTP/1.1" % path, "Host: %s" % host]
    lines.append("User-Agent: micropython-ota")
    lines.append("Accept-Encoding: identity")
    if wanted:
        lines.append("Range: " + wanted)
        if etag:
            lines.append("If-Range: " + etag)
    lines.append("Connection: close\r\n\r\n")
    return "\r\n".join(lines).encode()


def read_head(stream):
    """Generator: yields while nothing has come, returns the Response.

    Reads byte by byte, so that not one byte of the body is taken. Interim answers (1xx) are skipped, but
    count towards the limits. Raises OtaError(HTTP_STATUS) for what is not HTTP or is too long,
    CONNECTION_FAILED if the peer hangs up.
    """
    response = None
    one = bytearray(1)
    line = bytearray()
    lines = byte = 0
    for _ in range(_HEAD_LIMIT):
        got = stream.readinto(one)
        while got is None:
            yield
            got = stream.readinto(one)
        if got == 0:
            raise errors.OtaError(errors.CONNECTION_FAILED, "closed before the answer")
        before, byte = byte, one[0]
        if byte != _LF:
            if before == _CR or (byte < 0x20 and byte not in (_TAB, _CR)) or byte == 0x7F:
                raise _not_text()
            if byte != _CR:
                line.append(byte)
            if len(line) > _LINE_LIMIT:
                break
            continue
        try:
            text = str(line, "utf-8")
        except UnicodeError:
            raise _not_text()
        line[:] = b""
        lines += 1
        if lines > _LINES_LIMIT:
            break
        if response is None:
            response = Response(_status(text))
        elif text:
            _header(response, text)
        elif response.status >= 200 or response.status == 101:  # other protocols were not asked for
            return response
        else:
            response = None
    raise errors.OtaError(errors.HTTP_STATUS, "head too long")


def _not_text():
    """A control character other than a tab, or not UTF-8."""
    return errors.OtaError(errors.HTTP_STATUS, "head is not text")


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
    if not colon or not name or " " in name or "\t" in name:  # a folded line begins with one of them
        raise errors.OtaError(errors.HTTP_STATUS, "not a header")
    name = name.lower()
    value = value.strip()
    if name == "content-length":
        length = _number(value)
        if length < 0 or response.length not in (-1, length):
            raise errors.OtaError(errors.HTTP_STATUS, "Content-Length")
        response.length = length
    elif name == "content-range":
        response.span = _content_range(value)
    elif name == "retry-after":
        response.retry_after = max(0, _number(value))  # a date counts as 0
    elif name == "etag":
        response.etag = value if _is_strong_etag(value) else None
    elif name == "location":
        response.location = value
    elif name == "transfer-encoding" or (name == "content-encoding" and value.lower() != "identity"):
        response.is_plain = False


def _content_range(value):
    """"bytes 4096-9999/10000" -> (4096, 9999, 10000); () if it is anything else."""
    unit, _, rest = value.partition(" ")
    between, slash, total = rest.partition("/")
    first, dash, last = between.partition("-")
    numbers = (_number(first), _number(last), _number(total))
    return numbers if unit.lower() == "bytes" and slash and dash and min(numbers) >= 0 else ()


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
