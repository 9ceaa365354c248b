"""A byte stream over a socket, plain or TLS, in which every wait has a bound. connection.py opens it.

A Stream is always non-blocking underneath; only polling with an own deadline bounds every case (a
timeout lets a peer that sends one byte a second hold `readinto` for ever).
"""

import errno
import select
import time

from micropython import const

from . import errors, phases

_SLICE_MS = const(50)  # longest single sleep inside a bounded wait
_STALL_MS = const(20)  # longest sleep of one step of a download while nothing comes
_WOULD_BLOCK = (errno.EAGAIN, -26880, -26752)  # mbedtls WANT_READ, WANT_WRITE


class Stream:
    """A byte stream, plain or TLS. `limit()` starts the clock for the calls that wait."""

    def __init__(self, sock, stream):
        """sock: not blocking; stream: what TLS made of it, or the same."""
        self._socket = sock
        self._stream = stream
        self._poller = select.poll()
        self._poller.register(stream, select.POLLIN)
        self._events = select.POLLIN
        self._deadline = time.ticks_ms()
        self.last_received = self._deadline  # ticks_ms

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
            raise phases.call("failure", "of_socket", error, "read")
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
                    raise phases.call("failure", "of_write", error, self._stream, self._socket)
                sent = None
            if not sent:
                self._wait_within_limit(select.POLLIN | select.POLLOUT)
            done += sent or 0

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

    def fill(self, view, count, got, timeout_ms, check):
        """Generator: read the rest of view[:count] after a read that gave `got`. While nothing comes,
        check() is called, and yielded. A trickle counts as a stall: raises OtaError(TIMEOUT) after
        timeout_ms; CONNECTION_FAILED at the end of the stream."""
        started = time.ticks_ms()
        done = got or 0
        while done < count:
            if got == 0:
                raise errors.OtaError(errors.CONNECTION_FAILED, "connection closed early")
            if got is None:
                check()
                self.stall(started, timeout_ms)
                yield
            got = self.readinto(view[done:count])
            done += got or 0

    def stall(self, since, timeout_ms):
        """Nothing has come since this ticks_ms: wait a little. Raises OtaError(TIMEOUT) if that lasts longer
        than timeout_ms."""
        if time.ticks_diff(time.ticks_ms(), since) > timeout_ms:
            raise errors.OtaError(errors.TIMEOUT, "server stalled")
        self.wait(_STALL_MS)

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
