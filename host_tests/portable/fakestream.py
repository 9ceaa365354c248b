"""A net.Stream whose socket is a scripted peer and whose waiting moves a FakeTime."""

from device import net

STALL = None  # in a script: nothing comes for a moment; at its end: nothing comes ever again
TRICKLE = 0
CLOSE = b""  # the peer hangs up


class Peer:
    """Hands out the items of a script: bytes (as many as asked for), STALL, CLOSE or an exception.

    The last item, if it is not bytes, repeats for ever; a script that ends in bytes then closes.
    chunk: most bytes of one read, TRICKLE = one at a time with a pause before each.
    taken: bytes read. sent: what the client wrote.
    """

    def __init__(self, script=(), chunk=1 << 20):
        self.script = list(script)
        self.chunk = chunk
        self.taken = 0
        self.sent = b""
        self.is_closed = False
        self._pauses = False

    def readinto(self, buffer, count=-1):
        if self.chunk == TRICKLE:
            self._pauses = not self._pauses
            if self._pauses:
                return None
        room = min(self.chunk or 1, len(buffer) if count < 0 else count)
        item = self.script[0] if self.script else CLOSE
        if isinstance(item, Exception):
            raise item
        if not item:
            if len(self.script) > 1:
                self.script.pop(0)
            return None if item is STALL else 0
        piece = memoryview(item)[:room]  # not a copy of what is left each time
        memoryview(buffer)[: len(piece)] = piece
        rest = memoryview(item)[len(piece) :]
        self.script[:1] = [rest] if len(rest) else []
        self.taken += len(piece)
        return len(piece)

    def is_readable(self):
        if self.script and self.script[0] is STALL:
            if len(self.script) > 1:
                self.script.pop(0)
            return False
        return True

    def write(self, data):
        self.sent += bytes(data)
        return len(data)

    def close(self):
        self.is_closed = True


class _Poller:
    def __init__(self, peer, clock):
        self._peer = peer
        self._clock = clock

    def modify(self, stream, events):
        pass

    def ipoll(self, timeout_ms):
        if self._clock:
            self._clock.advance(timeout_ms)
        return [(self._peer, 1)] if self._peer.is_readable() else ()


class FakeStream(net.Stream):
    """The device's own Stream, but for the socket and the poller."""

    def __init__(self, peer, clock=None):
        self._socket = self._stream = peer
        self._poller = _Poller(peer, clock)
        self._events = None
        self.last_received = self._deadline = net.time.ticks_ms()
