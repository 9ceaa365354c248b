"""The socket that umqtt gets: bounded reads and writes over a Stream, and no huge message in RAM."""

from micropython import const

from . import errors

_PACKET = const(256)  # most packets of ours are smaller


class Sent(Exception):
    """A packet is on its way, and its answer is not waited for."""


class BlockingSocket:
    """What umqtt takes for a socket: each read and write within the limit that `limit()` set.

    open_stream() -> Stream is called by `connect`. What umqtt writes piece by piece goes out in one, when it
    reads or at `flush()`. A read of more than max_read bytes is drained and comes back empty, so that a huge
    message cannot exhaust the heap. With leaves_answer a read raises Sent instead.
    """

    def __init__(self, open_stream, max_read):
        self._open_stream = open_stream
        self._max_read = max_read
        self._blocking = True
        self._byte = bytearray(1)
        self._packet = bytearray(_PACKET)
        self._gathered = 0  # bytes of it that are not sent yet
        self.leaves_answer = False
        self.stream = None

    def connect(self, address):
        self.stream = self._open_stream()

    def setblocking(self, flag):
        self._blocking = flag

    def settimeout(self, seconds):
        self._blocking = True

    def limit(self, timeout_ms):
        self.stream.limit(timeout_ms)

    def read(self, count):
        """bytes; if not blocking, None if nothing is there and b"" at the end of the stream, which in the
        middle of a packet raises OtaError(CONNECTION_FAILED): umqtt would take it for an empty message."""
        self.flush()
        if self.leaves_answer:
            raise Sent
        if not self._blocking:
            got = self.stream.readinto(self._byte, 1)
            return bytes(self._byte) if got else None if got is None else b""
        if count < 0:
            raise errors.OtaError(errors.BAD_MESSAGE, "impossible packet length")
        if count > self._max_read:
            self._drain(count)
            return b""
        buffer = bytearray(count)
        self._read_exactly(buffer, count)
        return bytes(buffer)

    def _drain(self, count):
        buffer = bytearray(64)
        while count > 0:
            self._read_exactly(buffer, min(count, 64))
            count -= 64

    def _read_exactly(self, buffer, count):
        if not self.stream.read_exactly(buffer, count):
            raise errors.OtaError(errors.CONNECTION_FAILED, "closed by the broker")

    def write(self, data, count=-1):
        if count < 0:
            count = len(data)
        if self._gathered + count > _PACKET:
            self.flush()
        if count > _PACKET:
            self.stream.write(memoryview(data)[:count])
            return
        for i in range(count):
            self._packet[self._gathered + i] = data[i]
        self._gathered += count

    send = write

    def flush(self):
        if self._gathered:
            count, self._gathered = self._gathered, 0
            self.stream.write(memoryview(self._packet)[:count])

    def close(self):
        if self.stream:
            self.stream.close()


class SocketModule:
    """What umqtt takes for its module `socket`: hands out one BlockingSocket."""

    def __init__(self, blocking_socket):
        self._socket = blocking_socket

    def socket(self, *_):
        return self._socket

    def getaddrinfo(self, host, port, *_):
        return [(0, 0, 0, "", (host, port))]
