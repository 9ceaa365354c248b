"""Shim of `select` for device code on CPython: `ipoll`, and TLS records that are already decrypted."""

import select as _host

POLLIN = _host.POLLIN
POLLOUT = _host.POLLOUT
POLLERR = _host.POLLERR
POLLHUP = _host.POLLHUP


class poll:
    def __init__(self):
        self._poll = _host.poll()
        self._objects = {}

    def register(self, stream, events):
        self._objects[stream.fileno()] = stream
        self._poll.register(stream.fileno(), events)

    def modify(self, stream, events):
        self._poll.modify(stream.fileno(), events)

    def unregister(self, stream):
        self._objects.pop(stream.fileno(), None)
        self._poll.unregister(stream.fileno())

    def ipoll(self, timeout_ms=-1):
        for stream in self._objects.values():
            if hasattr(stream, "pending") and stream.pending():
                return [(stream, POLLIN)]
        return [(self._objects[fd], event) for fd, event in self._poll.poll(timeout_ms)]
