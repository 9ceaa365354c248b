"""The head of an HTTP/1.1 response: bounded in size and time, and whether it is what was asked for."""

import time

from micropython import const

from . import errors, phases
from .report import log_error

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = const(10)  # hosts of releases need two or three; each can take http_timeout_s twice
_MAX_RESTARTS = const(15)  # from byte 0: each may erase what is there once more
_HEAD_LIMIT = const(16384)  # all heads of one answer together
_VALUE_LIMIT = const(4096)  # of a header that somebody needs: a redirect to a presigned URL is long
_NEEDED = (
    "content-length", "content-range", "content-encoding", "transfer-encoding", "retry-after", "etag",
    "location",
)  # fmt: skip
_SHOWN = const(20)  # more than a name that is needed, or a status, has
_PLAIN = ("", "identity", "aws-chunked")  # the last: how a file came into a store, not how it leaves it
_TAB = const(9)
_LF = const(10)
_CR = const(13)
_COLON = const(58)


def receive(transfer):
    """Generator: True if transfer.stream now gives what was asked for, False if another address is to be
    asked. transfer: update.Transfer. Raises OtaError."""
    agent, stream = transfer.agent, transfer.stream
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
    head = None  # it holds the longest line
    if response.status not in _REDIRECTS:
        if transfer.was_refused:  # by one of the hosts; with TLS 1.3 it shows only in an answer
            transfer.was_refused = False
            log_error(errors.OtaError(errors.NO_MEM, "TLS refused before"))
        check(transfer, response, *transfer.asked)
        return True
    transfer.redirects += 1
    if transfer.redirects > _MAX_REDIRECTS:
        raise _refused("too many redirects")
    hosts = agent.config.file_hosts
    transfer.address = phases.call("strict", "redirect", response.location or "", hosts, *transfer.address)
    return False


def check(transfer, answer, first, last):
    """Is this what was asked for? answer: Response. Raises OtaError."""
    status, size = answer.status, transfer.offer.size
    if status == 416 and transfer.position:
        _ask_anew(transfer, "the file has become shorter")
    if status not in (200, 206):
        if status in (408, 429) or status >= 500:
            transfer.retry_after = answer.retry_after
        raise _refused("HTTP status %d" % status)
    if answer.coding:
        raise _blame(*answer.coding)
    is_whole = status == 200 and transfer.position > 0
    if is_whole:
        first, last = 0, size - 1
    elif transfer.position and transfer.etag and answer.etag not in (None, transfer.etag):
        _ask_anew(transfer, "the file has changed")
    if answer.length != last + 1 - first:
        length = "missing" if answer.length < 0 else answer.length
        raise _blame("content-length", length, errors.SIZE_MISMATCH)
    if is_whole:
        _start_over(transfer, "the server sends the whole file again")
    if answer.span != ((first, last, size) if status == 206 else None):
        raise _blame("content-range", answer.span, errors.SIZE_MISMATCH)
    if answer.etag or not transfer.position:  # a part may come without it
        transfer.etag = answer.etag
    transfer.is_spliced = transfer.position > 0


def _ask_anew(transfer, why):
    """The answer was clear, but the same question may get a better one."""
    _start_over(transfer, why)
    raise errors.OtaError(errors.CONNECTION_FAILED, why)


def _start_over(transfer, why):
    """Nodes of one host differ, and some send whole files only: that says nothing about the image, and
    failure.py bounds the time."""
    if transfer.restarts >= _MAX_RESTARTS:
        raise errors.OtaError(errors.CONNECTION_FAILED, why)
    transfer.restarts += 1
    phases.call("failure", "start_over", transfer, why)


class Response:
    """What a response head says. status: int. length: of the body in bytes, -1 where it does not say. span:
    of Content-Range as (first, last, total), None without one, () if it is not understood. retry_after: s.
    etag, location: str or None. coding: the header that says why the body is not the file itself, as (name,
    value), None if it is."""

    def __init__(self, status):
        self.status = status
        self.length = -1
        self.span = self.etag = self.location = self.coding = None
        self.retry_after = 0


def read_head(stream):
    """Generator: yields while nothing has come, and now and then; returns the Response.

    Reads byte by byte, so that not one byte of the body is taken. Interim answers (1xx) count towards the
    limit; of lines that nobody needs nothing is kept. Raises OtaError(HTTP_STATUS), CONNECTION_FAILED.
    """
    response = name = above = None  # name: of this line, once it is parsed, "" = nobody needs it
    one = bytearray(1)
    line = bytearray()
    byte = 0
    for count in range(_HEAD_LIMIT):
        got = None if count & 255 == 255 else stream.readinto(one)
        while got is None:
            yield
            got = stream.readinto(one)
        if got == 0:
            raise errors.OtaError(errors.CONNECTION_FAILED, "closed before the answer")
        before, byte = byte, one[0]
        if byte == _LF:
            text = str(line, "utf-8")
            line = bytearray()
            if response is None:
                response = Response(_status(text))
            elif name:
                _header(response, name, text.strip())
            elif text:
                raise _refused("not a header")
            elif name is None:  # the empty line
                if response.status >= 200 or response.status == 101:  # other protocols were not asked for
                    return response
                response = None
            above, name = name, None
        elif before == _CR or (byte < 0x20 and byte not in (_TAB, _CR)) or byte == 0x7F:
            raise _refused("head is not text")
        elif byte == _CR or name == "":
            pass
        elif byte == _COLON and line and response and name is None:
            name = str(line, "utf-8").lower()
            name = name if name in _NEEDED else ""
            line = bytearray()
        elif byte in b" \t" and not line and response:
            if name is None:  # the line above goes on
                if above != "":
                    raise _blame(above or "header", "folded")
                name = ""
        elif len(line) < (_VALUE_LIMIT if name else _SHOWN):
            line.extend(one if byte < 0x80 else b"%%%02X" % byte if name == "location" else b"\x7f")
        elif name:
            raise _blame(name, "too long")
    raise _refused("head too long")


def _refused(why):
    return errors.OtaError(errors.HTTP_STATUS, why)


def _blame(name, what, code=errors.HTTP_STATUS):
    """An OtaError that names the header."""
    name = "-".join([word[0].upper() + word[1:] for word in name.split("-")])
    return errors.OtaError(code, "%s: %s" % (name, what), (("field", name),))


def _status(line):
    status = _number(line[9:].split(" ", 1)[0]) if line[:9] in ("HTTP/1.1 ", "HTTP/1.0 ") else 0
    if not 100 <= status <= 599:
        raise _refused("not HTTP")
    return status


def _header(response, name, value):
    """name: one of _NEEDED."""
    if name == "content-length":
        for text in value.split(","):  # more than one may be there, if all are the same
            length = _number(text.strip())
            if length < 0 or response.length not in (-1, length):
                raise _blame(name, value[:_SHOWN])
            response.length = length
    elif name == "content-range":
        response.span = _content_range(value)
    elif name == "retry-after":
        response.retry_after = max(0, _number(value))  # a date counts as 0
    elif name == "etag":
        response.etag = value if _is_strong_etag(value) else None
    elif name == "location":
        response.location = value
    elif name[0] == "t" or any(text.strip().lower() not in _PLAIN for text in value.split(",")):
        response.coding = (name, value[:_SHOWN])


def _content_range(value):
    """ "bytes 4096-9999/10000" -> (4096, 9999, 10000); () if it is anything else."""
    unit, _, rest = value.partition(" ")
    between, slash, total = rest.partition("/")
    first, dash, last = between.partition("-")
    numbers = (_number(first), _number(last), _number(total))
    return numbers if unit.lower() == "bytes" and slash and dash and min(numbers) >= 0 else ()


def _is_strong_etag(value):
    return (
        2 <= len(value) <= 128 and value[0] == value[-1] == '"' and all("!" <= char <= "~" for char in value)
    )


def _number(text):
    """Digits -> int, -1 for anything else; ten digits hold every size we accept."""
    if not 0 < len(text) <= 10 or not all("0" <= digit <= "9" for digit in text):
        return -1
    return int(text)
