"""Asks the file server for what is missing of an image: which answers are taken, and how often it is
asked."""

import time

from micropython import const

from . import clock, errors, log, phases, update
from .report import log_error
from .slot import HEAD

_MAX_REDIRECTS = const(3)
_MAX_RESTARTS = const(3)  # from byte 0, because the file has changed
_MAX_GRANT_MS = const(3600_000)  # what Retry-After may add to the window
_NO_MEMORY = (errors.NO_MEM, errors.NO_INIT)  # a certificate that does not fit is said to be unusable
_TRANSIENT = (errors.TIMEOUT, errors.CONNECTION_FAILED, errors.NO_GOT_IP)


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


def retry(transfer, failure):
    """Generator: yields until the next try; raises the failure (OtaError, MemoryError) if there is none.
    Tries go on until a window that begins anew with each block is over; what the server asks us to wait does
    not count."""
    asked_s = _may_retry(transfer, failure)
    if asked_s is None:
        raise failure
    if isinstance(failure, MemoryError):
        failure = errors.OtaError(errors.NO_MEM, str(failure))
    if failure.code in _NO_MEMORY:
        log_error(errors.OtaError(errors.NO_MEM, failure.detail))
    log.warning("download at byte %d: %s" % (transfer.position, failure.detail))
    waited_ms = time.ticks_diff(time.ticks_ms(), transfer.progressed_ms) - transfer.granted_ms
    config = transfer.agent.config
    if waited_ms >= config.retry_window_s * 1000:
        raise failure
    granted_ms = min(asked_s * 1000, _MAX_GRANT_MS - transfer.granted_ms)
    transfer.granted_ms += granted_ms
    transfer.pause_ms, delay_ms = clock.back_off(config, transfer.pause_ms)
    yield from clock.sleep(granted_ms + delay_ms)


def _may_retry(transfer, failure):
    """Seconds that the server asks us to wait, 0 = none, None = there is no sense in another try."""
    code = getattr(failure, "code", errors.NO_MEM)
    if code in _TRANSIENT or transfer.retry_after is not None:
        return transfer.retry_after or 0
    if code == errors.TLS_REFUSED and not transfer.was_refused:
        transfer.was_refused = True  # once: a lack of memory and bytes damaged on the way look the same
        transfer.agent.report.free_memory()
        return 0
    return 0 if code in _NO_MEMORY and transfer.agent.report.free_memory() else None
