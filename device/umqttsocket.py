"""The socket that umqtt gets: bounded reads and writes over a Stream, and no huge message in RAM."""

from . import errors


class BlockingSocket:
    """What umqtt takes for a socket: each read and write within the limit that `limit()` set.

    open_stream() -> Stream is called by `connect`. A read of more than max_read bytes is drained
    and comes back empty, so that a huge message cannot exhaust the heap.
    """

    def __init__(self, open_stream, max_read):
        self._open_stream = open_stream
        self._max_read = max_read
        self._blocking = True
        self._byte = bytearray(1)
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
        if not self._blocking:
            got = self.stream.readinto(self._byte, 1)
            return got if got is None else bytes(self._byte)[:got]
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
        self.stream.write(data if count < 0 else memoryview(data)[:count])

    send = write

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
