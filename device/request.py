"""Asks the file server for what is missing of an image: which answers are taken, and how often it is
asked."""

from micropython import const

from . import errors, phases, update
from .report import log_error
from .slot import HEAD

_MAX_REDIRECTS = const(3)
_MAX_RESTARTS = const(3)  # from byte 0, because the file has changed


def open_image(transfer):
    """Generator: transfer.stream (net.Stream) gives what is missing, or only the head, if nothing else tells
    it any more. transfer: update.Transfer. Raises OtaError."""
    agent = transfer.agent
    transfer.retry_after = None
    if not agent.wlan.isconnected():
        yield from phases.steps("wifi", "join", agent.wlan, agent.config)
    lacks_head = transfer.position and not transfer.head
    first = 0 if lacks_head else transfer.position
    last = (HEAD if lacks_head else transfer.offer.size) - 1
    address = transfer.offer.address
    for _ in range(_MAX_REDIRECTS + 1):
        transfer.enter(update.CONNECTION_START)
        transfer.stream = _connect(transfer, *address)
        transfer.enter(update.CONNECTED)
        answer, location = yield from phases.steps("http", "ask", transfer, address, first, last)
        if transfer.was_refused:  # by one of the hosts; with TLS 1.3 it shows only in an answer
            transfer.was_refused = False
            log_error(errors.OtaError(errors.NO_MEM, "TLS refused before"))
        if location is None:
            return _check(transfer, answer, first, last)
        transfer.stream.close()
        address = phases.call("strict", "redirect", location, *address)
    raise errors.OtaError(errors.HTTP_STATUS, "too many redirects")


def _connect(transfer, scheme, host, port, _):
    config, context = transfer.agent.config, None
    if scheme == "https":
        if not transfer.context:  # a redirect needs it
            transfer.context = phases.call("connection", "file_context", config)
        context = transfer.context
    return phases.call("connection", "connect", host, port, context, config.http_timeout_s * 1000)


def _check(transfer, answer, first, last):
    """Is this what was asked for? answer: http.Answer. Raises OtaError."""
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
    elif transfer.etag and answer.etag != transfer.etag:
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
    transfer.start_over(why)
