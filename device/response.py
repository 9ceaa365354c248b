"""The head of an HTTP/1.1 response: bounded in size and time, and whether it is what was asked for."""

import time

from micropython import const

from . import errors, phases
from .report import log_error

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = const(3)
_MAX_RESTARTS = const(3)  # from byte 0, because the file has changed
_HEAD_LIMIT = const(4096)  # status line and headers together
_LINE_LIMIT = const(2048)  # a redirect to a signed URL can be long
_LINES_LIMIT = const(64)
_TAB = const(9)
_LF = const(10)
_CR = const(13)


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
    if response.status not in _REDIRECTS:
        if transfer.was_refused:  # by one of the hosts; with TLS 1.3 it shows only in an answer
            transfer.was_refused = False
            log_error(errors.OtaError(errors.NO_MEM, "TLS refused before"))
        check(transfer, response, *transfer.asked)
        return True
    transfer.redirects += 1
    if transfer.redirects > _MAX_REDIRECTS:
        raise errors.OtaError(errors.HTTP_STATUS, "too many redirects")
    transfer.address = phases.call("strict", "redirect", response.location or "", *transfer.address)
    return False


def check(transfer, answer, first, last):
    """Is this what was asked for? answer: Response. Raises OtaError."""
    status, size = answer.status, transfer.offer.size
    if status in (408, 429) or status >= 500:
        transfer.retry_after = answer.retry_after
        raise errors.OtaError(errors.HTTP_STATUS, "HTTP status %d" % status)
    if status == 416 and transfer.position:
        _ask_anew(transfer, "the file has become shorter")
    if status not in (200, 206) or not answer.is_plain:
        raise errors.OtaError(errors.HTTP_STATUS, "HTTP status %d" % status)
    is_whole = status == 200 and transfer.position > 0
    if is_whole:
        first, last = 0, size - 1
    elif transfer.position and transfer.etag and answer.etag != transfer.etag:
        _ask_anew(transfer, "the file has changed")
    if answer.length != last + 1 - first:
        raise errors.OtaError(errors.SIZE_MISMATCH, "Content-Length %d" % answer.length)
    if is_whole:
        _start_over(transfer, "the server sends the whole file again")
    if answer.span != ((first, last, size) if status == 206 else None):
        raise errors.OtaError(errors.SIZE_MISMATCH, "Content-Range")
    transfer.etag = answer.etag
    transfer.is_spliced = transfer.position > 0


def _ask_anew(transfer, why):
    """The answer was clear, but the same question may get a better one."""
    _start_over(transfer, why)
    transfer.retry_after = 0
    raise errors.OtaError(errors.SIZE_MISMATCH, why)


def _start_over(transfer, why):
    transfer.restarts += 1
    if transfer.restarts > _MAX_RESTARTS:
        raise errors.OtaError(errors.SIZE_MISMATCH, why)
    phases.call("failure", "start_over", transfer, why)


class Response:
    """What a response head says. status: int. length: of the body in bytes, -1 where it does not say. span:
    of Content-Range as (first, last, total), None without one, () if it is not understood. retry_after: s.
    etag, location: str or None. is_plain: no Transfer-Encoding, not compressed."""

    def __init__(self, status):
        self.status = status
        self.length = -1
        self.span = None
        self.retry_after = 0
        self.etag = None
        self.location = None
        self.is_plain = True


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
