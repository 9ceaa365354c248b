"""One request to the file server and its answer: connect, head, body; every wait bounded."""

import time

from micropython import const

from . import errors, http, net

_STALL_MS = const(20)  # longest sleep of one step while nothing comes


class Fetch:
    """One connection. `stream` gives the body once `head()` has read what stands before it."""

    def __init__(self, config, wifi, host, port, context):
        """context: TLS context or None. Raises OtaError."""
        self._wifi = wifi
        self._timeout_ms = config.http_timeout_s * 1000
        self.stream = net.connect(host, port, context, self._timeout_ms)

    def close(self):
        self.stream.close()

    def head(self):
        """Generator: returns the http.Response. Raises OtaError."""
        started = time.ticks_ms()
        head = http.read_head(self.stream)
        while True:
            try:
                next(head)
            except StopIteration as stop:
                return stop.value
            self._stall(started)
            yield

    def fill(self, view, want, got):
        """Generator: read the rest of view[:want] after a read that gave `got`; a trickle counts as a
        stall. Raises OtaError."""
        started = time.ticks_ms()
        done = got or 0
        while done < want:
            if got == 0:
                raise errors.OtaError(errors.CONNECTION_FAILED, "connection closed early")
            if got is None:
                self._stall(started)
                yield
            got = self.stream.readinto(view[done:want])
            done += got or 0

    def _stall(self, since):
        """Nothing has come: wait a little. Raises OtaError: NO_GOT_IP, or TIMEOUT if that lasts too long."""
        if not self._wifi.is_up():
            raise errors.OtaError(errors.NO_GOT_IP, "Wi-Fi dropped")
        if time.ticks_diff(time.ticks_ms(), since) > self._timeout_ms:
            raise errors.OtaError(errors.TIMEOUT, "server stalled")
        self.stream.wait(_STALL_MS)
