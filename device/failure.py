"""What a failure is and says: the code of an error of sockets or TLS, its text, the report of it."""

import errno
import json

from micropython import const

from . import errors, log, phases

# A number of mbedtls is minus the sum of a module's own, a multiple of 128, and a low one that led to it.
# Of ssl: fatal alert, the peer refused us; no certificate for servers; too old; nothing in common; nonsense.
_REFUSED = b"\xef\xf4\xdd\xdc\xcc"
# "Alloc failed" of pem, x509, dhm, pk, ecp, md, pkcs7, cipher, ssl; some come out as ssl's "internal error".
_NO_MEMORY = b"\x23\x51\x68\x7f\x9b\xa3\xaf\xc3\xfe\xd8"
_NO_MEMORY_LOW = b"\x10\x17\x6a"  # of bignum, lms, asn1; MicroPython turns the sign of a small number round
_NO_MEMORY_PSA = const(141)


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
        elif min(size >> 7, 255) in _REFUSED or 0x2080 <= size < 0x2880 or 0x3A00 <= size < 0x3E00:
            code = errors.TLS_REFUSED  # the last two: a certificate, or the key in it, of bad form
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


def report(reporter, error):
    """reporter: report.Report. Log the OtaError, and tell the server now or later."""
    log_error(error)
    if not any(waiting.code == error.code for waiting in reporter.unsent):
        reporter.unsent.append(error)
    try:
        while reporter.link.is_open and reporter.unsent:
            send_waiting(reporter)
    except errors.OtaError as problem:
        log_error(problem)


def send_waiting(reporter):
    """Send the oldest error that waits. Raises OtaError."""
    error = reporter.unsent[0]
    text = json.dumps(_text(error.code, reporter.language))
    data = '{"errorCode": %d, "errorMsg": %s' % (error.code, text)
    for name, value in error.facts:
        data += ', "%s": %s' % (name, json.dumps(value))
    reporter.publish("progress/report", data + "}")
    reporter.unsent.pop(0)


def log_error(error):
    """error: an OtaError or a MemoryError."""
    code = getattr(error, "code", errors.NO_MEM)
    log.error("%d %s: %s" % (code, _text(code, "en"), getattr(error, "detail", error)))


def _text(code, language):
    """What a code says; "" where that cannot be loaded."""
    try:
        return phases.call("texts_" + language, "text", code)
    except (errors.OtaError, MemoryError):
        return ""
