"""Failures: the code of an error of sockets or TLS, the report with its text, another try of a download."""

import errno
import json
import time

from micropython import const

from . import clock, errors, log, phases
from .report import log_error

# A number of mbedtls is minus the sum of a module's own, a multiple of 128, and a low one that led to it.
# Of ssl: fatal alert, the peer refused us; no certificate for servers; too old; nothing in common; nonsense;
# a key of the wrong type. Of ecp: a point off the curve, an unknown curve. Of x509: no room; fatal.
_REFUSED = b"\xef\xf4\xdd\xdc\xcc\xda\x99\x9d\x9f\x53\x60"
# "Alloc failed" of pem, x509, dhm, pk, ecp, md, pkcs7, cipher, ssl; some come out as ssl's "internal error".
_NO_MEMORY = b"\x23\x51\x68\x7f\x9b\xa3\xaf\xc3\xfe\xd8"
_NO_MEMORY_LOW = b"\x10\x17\x6a"  # of bignum, lms, asn1; MicroPython turns the sign of a small number round
_NO_MEMORY_PSA = const(141)
_CONNECTION_FAILED = const(2)  # states of an update, see update.py
_CONNECTED = const(3)
_DOWNLOAD_FAILED = const(5)
_UPGRADE_START = const(7)
_UPGRADE_FAILED = const(8)
_MAX_MEMORY_FAILURES = const(10)  # to get online, in a row
_MAX_GRANT_MS = const(3600_000)  # what Retry-After may add to the window
_NO_ROOM = (errors.NO_MEM, errors.NO_INIT)  # a certificate that does not fit is said to be unusable
_SPLICED_FAULTS = (errors.CRC_ERROR, errors.SHA256_ECDSA)  # what foreign bytes in the slot lead to
_TRANSIENT = (errors.TIMEOUT, errors.CONNECTION_FAILED, errors.NO_GOT_IP)


def of_socket(error, what, is_connected=True):
    """The OtaError for an OSError or ValueError of the socket or TLS layer."""
    if isinstance(error, ValueError):
        reason = " ".join(str(error).split())  # mbedtls answers in several lines
        return errors.OtaError(errors.TLS_REFUSED, "%s: %s" % (what, reason))
    number = error.args[0] if error.args else 0
    code = errors.CONNECTION_FAILED
    if isinstance(number, int):
        size = abs(number)
        if size == errno.ENOMEM or is_connected and _is_memory(size):
            code = errors.NO_MEM
        elif size == errno.ETIMEDOUT:
            code = errors.TIMEOUT
        elif min(size >> 7, 255) in _REFUSED or 0x2080 <= size < 0x2880 or 0x3880 <= size < 0x3F80:
            code = errors.TLS_REFUSED  # the last two: a certificate, or the key in it
    return errors.OtaError(code, "%s: %s" % (what, number))


def _is_memory(size):
    """Before a socket is connected, some of these are an errno that means something else."""
    high = min(size >> 7, 255)
    return high in _NO_MEMORY or size & 127 in _NO_MEMORY_LOW or size == _NO_MEMORY_PSA


def of_write(error, stream, sock):
    """The same for a write. A peer that refuses our certificate hangs up while we still write: its alert, a
    plain TLS record, then lies unread below TLS."""
    failure = of_socket(error, "write")
    head = bytearray(2)
    try:
        if failure.code == errors.CONNECTION_FAILED and stream is not sock:
            if sock.readinto(head) == 2 and head == b"\x15\x03":
                return errors.OtaError(errors.TLS_REFUSED, "refused by the peer")
    except OSError:
        pass
    return failure


def report_data(error, language):
    """What a progress/report says of an OtaError, JSON by hand: MicroPython's dicts do not keep their
    order."""
    data = '{"errorCode": %d, "errorMsg": %s' % (error.code, json.dumps(_text(error.code, language)))
    for name, value in error.facts:
        data += ', "%s": %s' % (name, json.dumps(value))
    return data + "}"


def line(error):
    """What the log says of an OtaError or a MemoryError."""
    code = getattr(error, "code", errors.NO_MEM)
    return "%d %s: %s" % (code, _text(code, "en"), getattr(error, "detail", error))


def _text(code, language):
    return phases.call("texts_" + language, "text", code)


def retry(transfer, failure):
    """Generator: yields until the next try; raises the failure (OtaError, MemoryError) if there is none.
    Tries go on until a window that begins anew with each new block is over; what the server asks us to wait
    does not count."""
    asked_s = _may_retry(transfer, failure)
    if asked_s is None:
        raise failure
    if isinstance(failure, MemoryError):
        failure = errors.OtaError(errors.NO_MEM, str(failure))
    if failure.code in _NO_ROOM:
        log_error(errors.OtaError(errors.NO_MEM, failure.detail))
    log.warning("download at byte %d: %s" % (transfer.position, failure.detail))
    agent, config = transfer.agent, transfer.agent.config
    waited_ms = time.ticks_diff(time.ticks_ms(), agent.progressed_ms) - transfer.granted_ms
    if waited_ms >= config.retry_window_s * 1000:
        raise failure
    granted_ms = min(asked_s * 1000, _MAX_GRANT_MS - transfer.granted_ms)
    transfer.granted_ms += granted_ms
    transfer.pause_ms, delay_ms = back_off(config, transfer.pause_ms)
    for pause_ms in clock.sleep(granted_ms + delay_ms):
        check_over(transfer)
        yield pause_ms
    check_over(transfer)


def check_over(transfer):
    """Raises OtaError if the download has lasted too long, or its offer is no longer the accepted one."""
    if transfer.agent.offer is not transfer.offer:
        raise errors.OtaError(errors.ALREADY_RUNNING, "the update has ended for another offer, or a cancel")
    if time.ticks_diff(time.ticks_ms(), transfer.began_ms) > transfer.agent.config.download_limit_s * 1000:
        raise errors.OtaError(errors.TIMEOUT, "the download takes too long")


def _may_retry(transfer, failure):
    """Seconds that the server asks us to wait, 0 = none, None = there is no sense in another try."""
    code = getattr(failure, "code", errors.NO_MEM)
    asked_s, transfer.retry_after = transfer.retry_after, None  # the next failure may come before an answer
    if code in _TRANSIENT or asked_s is not None:
        return asked_s or 0
    if code == errors.TLS_REFUSED and not transfer.was_refused:
        transfer.was_refused = True  # once: a lack of memory and bytes damaged on the way look the same
        transfer.agent.report.free_memory()
        return 0
    return 0 if code in _NO_ROOM and transfer.agent.report.free_memory() else None


def fetch_again(transfer, error):
    """An image that does not verify is fetched once more, from byte 0, if it was spliced from several
    answers, which may be of two files. Else raises the error."""
    if not transfer.is_spliced or transfer.was_repeated or error.code not in _SPLICED_FAULTS:
        if error.code not in _NO_ROOM:  # else the image itself may be good
            phases.call("download", "forget", transfer.offer)
        raise error
    transfer.was_repeated = True
    transfer.furthest = 0
    start_over(transfer, error.detail)


def start_over(transfer, why):
    """From byte 0. Raises OtaError(CONNECTION_FAILED) if the flash has had enough."""
    phases.call("tries", "begin_anew", transfer.agent)
    log.warning("starting over: " + why)
    phases.call("download", "forget", transfer.offer)
    transfer.position, transfer.etag, transfer.is_spliced = 0, None, False


def enter_failed(transfer):
    """The update came to nothing: in the log, at which stage."""
    if transfer.state >= _UPGRADE_START:
        transfer.enter(_UPGRADE_FAILED)
    else:
        transfer.enter(_DOWNLOAD_FAILED if transfer.state >= _CONNECTED else _CONNECTION_FAILED)


def back_off(config, ceiling_ms):
    """Exponential with full jitter, so that a fleet does not come back at once: (the next ceiling, how long
    to wait now), in ms. ceiling_ms: what was returned before, 0 at first."""
    ceiling_ms = ceiling_ms or config.backoff_min_s * 1000
    return min(2 * ceiling_ms, config.backoff_max_s * 1000), clock.random_below(ceiling_ms)


def fail(agent, error, started):
    """Generator: something ended the connection, or kept it from coming about. Yields until the next try.
    error: OtaError or MemoryError; started: uptime in ms at which this try began."""
    if isinstance(error, MemoryError):
        error = errors.OtaError(errors.NO_MEM, "online: %s" % error)
    _note(agent, error)
    agent.link.close()
    if log.uptime_ms() - started > agent.config.backoff_max_s * 1000:
        agent.pause_ms = 0
    agent.pause_ms, delay_ms = back_off(agent.config, agent.pause_ms)
    yield from clock.sleep(delay_ms)


def _note(agent, error):
    before, agent.last_code = agent.last_code, error.code
    agent.is_cut_off = agent.is_cut_off is not False and error.code in _TRANSIENT
    if error.code == errors.TLS_REFUSED:
        phases.call("ntp", "resync_soon", agent)
        if before != error.code:  # a lack of memory and bytes damaged on the way look the same
            return log.warning(error.detail)
    agent.memory_failures = agent.memory_failures + 1 if error.code == errors.NO_MEM else 0
    if agent.memory_failures == _MAX_MEMORY_FAILURES:
        agent.give_up("no memory to get online")
    is_reported = error.code in (errors.TLS_REFUSED, errors.FLASH, errors.NO_MEM)
    (agent.report.error if is_reported else log_error)(error)
