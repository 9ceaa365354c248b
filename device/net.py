"""Sockets and TLS: the only module that imports them, and every wait in it has a bound.

A Stream is always non-blocking underneath; only polling with an own deadline bounds every case (a
timeout lets a peer that sends one byte a second hold `readinto` for ever).
"""

import errno
import gc
import select
import socket
import time

import tls
from micropython import const

from . import certs, errors

_IPPROTO_TCP = const(6)
_TCP_NODELAY = const(1)  # without it each TLS flight waits 40 ms for the peer's delayed ACK
# A number of mbedtls is minus the sum of a module's own, a multiple of 128, and a low one that led to it.
# Of ssl: fatal alert, the peer refused us; no certificate for servers; too old; nothing in common; nonsense.
_REFUSED = b"\xef\xf4\xdd\xdc\xcc"
# "Alloc failed" of pem, x509, dhm, pk, ecp, md, pkcs7, cipher, ssl; some come out as ssl's "internal error".
_NO_MEMORY = b"\x23\x51\x68\x7f\x9b\xa3\xaf\xc3\xfe\xd8"
_NO_MEMORY_LOW = b"\x10\x17\x6a"  # of bignum, lms, asn1; MicroPython turns the sign of a small number round
_NO_MEMORY_PSA = const(141)
_SLICE_MS = const(50)  # longest single sleep inside a bounded wait
_WOULD_BLOCK = (errno.EAGAIN, -26880, -26752)  # mbedtls WANT_READ, WANT_WRITE


def client_context(ca, certificate=None, key=None):
    """A TLS client context: ca (one certificate or several), certificate and key are DER bytes. The
    server is always verified.

    Raises OtaError: NO_INIT if one of them cannot be used, which may be for want of memory; NO_MEM.
    """
    gc.collect()  # TLS keeps memory of its own for what is garbage here
    try:
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        if certificate:
            context.load_cert_chain(certificate, key)
        for one in certs.split(ca):
            context.load_verify_locations(one)
    except (ValueError, OSError) as error:
        code = errors.NO_INIT if isinstance(error, ValueError) else errors.NO_MEM
        raise errors.OtaError(code, "certificate or key unusable: %r" % error)
    context.verify_mode = tls.CERT_REQUIRED
    return context


def connect(host, port, context, timeout_ms):
    """A Stream to host:port, over TLS if there is a context; the handshake is part of the first write.

    The name look-up has no limit but the watchdog; the rest and the calls that follow, until the next
    `limit()`, take at most timeout_ms. Raises OtaError: CONNECTION_FAILED, TIMEOUT, TLS_REFUSED.
    """
    started = time.ticks_ms()
    gc.collect()  # what now comes stays for long; and an ESP32 gives empty parts back to the system, for TLS
    sock = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(timeout_ms / 1000)
        sock.connect(address)
        sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
    except (OSError, IndexError) as error:
        if sock:
            sock.close()
        raise _failure(error, host, False)
    sock.setblocking(False)
    stream = Stream(sock)
    try:
        stream.limit(timeout_ms - time.ticks_diff(time.ticks_ms(), started))
        if context:
            stream.start_tls(context, host)
    except BaseException:
        stream.close()
        raise
    return stream


def _failure(error, what, is_connected=True):
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


class Stream:
    """A byte stream, plain or TLS. `limit()` starts the clock for the calls that wait."""

    def __init__(self, sock):
        self._socket = sock
        self._stream = sock
        self._poller = select.poll()
        self._poller.register(sock, select.POLLIN)
        self._events = select.POLLIN
        self._deadline = time.ticks_ms()
        self.last_received = self._deadline  # ticks_ms

    def start_tls(self, context, host):
        """Go on over TLS. The handshake waits for the first write, which can be bounded."""
        self._poller.unregister(self._stream)
        try:
            self._stream = context.wrap_socket(
                self._socket, server_hostname=host, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:
            raise _failure(error, "TLS")
        self._poller.register(self._stream, select.POLLIN)

    def limit(self, timeout_ms):
        """The waiting calls that follow must be done within timeout_ms together."""
        self._deadline = time.ticks_add(time.ticks_ms(), max(timeout_ms, 0))

    def readinto(self, buffer, count=-1):
        """Read what is there, at most count bytes, into buffer. Never waits.

        Returns the number of bytes, 0 at the end of the stream, None if nothing is there yet.
        """
        try:
            if count < 0:
                got = self._stream.readinto(buffer)
            else:
                got = self._stream.readinto(buffer, count)
        except (OSError, ValueError) as error:
            if error.args and error.args[0] in _WOULD_BLOCK:
                return None
            raise _failure(error, "read")
        if got:
            self.last_received = time.ticks_ms()
        return got

    def write(self, data):
        """Write all of data within the limit. Raises OtaError, TLS_REFUSED in a handshake that fails."""
        done = 0
        while done < len(data):
            try:
                sent = self._stream.write(memoryview(data)[done:] if done else data)
            except (OSError, ValueError) as error:
                if not (error.args and error.args[0] in _WOULD_BLOCK):
                    raise self._unread_alert(_failure(error, "write"))
                sent = None
            if not sent:
                self._wait_within_limit(select.POLLIN | select.POLLOUT)
            done += sent or 0

    def _unread_alert(self, failure):
        """A peer that refuses our certificate hangs up while we still write: its alert, a plain TLS
        record, then lies unread below TLS. Returns the OtaError: what was found, or failure."""
        head = bytearray(2)
        try:
            if failure.code == errors.CONNECTION_FAILED and self._stream is not self._socket:
                if self._socket.readinto(head) == 2 and head == b"\x15\x03":
                    return errors.OtaError(errors.TLS_REFUSED, "refused by the peer")
        except OSError:
            pass
        return failure

    def read_exactly(self, buffer, count):
        """Fill buffer[:count] within the limit. Returns False if the stream ends before."""
        done = 0
        while done < count:
            self._check_limit()  # also while data comes: a flood must end too
            got = self.readinto(memoryview(buffer)[done:] if done else buffer, count - done)
            if got == 0:
                return False
            if got is None:
                self._wait_within_limit(select.POLLIN)
            done += got or 0
        return True

    def wait(self, timeout_ms):
        """Sleep until something can be read, at most timeout_ms. Returns whether it can. Allocates
        nothing."""
        return self._poll(select.POLLIN, timeout_ms)

    def _check_limit(self):
        left = time.ticks_diff(self._deadline, time.ticks_ms())
        if left <= 0:
            raise errors.OtaError(errors.TIMEOUT, "peer stalled")
        return left

    def _wait_within_limit(self, events):
        self._poll(events, min(self._check_limit(), _SLICE_MS))

    def _poll(self, events, timeout_ms):
        if events != self._events:
            self._poller.modify(self._stream, events)
            self._events = events
        is_ready = False
        for _ in self._poller.ipoll(timeout_ms):
            is_ready = True
        return is_ready

    def close(self):
        """Close the stream; never raises, may be called twice."""
        for part in (self._stream, self._socket):
            try:
                part.close()
            except (OSError, ValueError):
                pass
