"""The link to the MQTT broker: umqtt.simple with a limit on every wait, and the socket that it gets.
online.py opens it.

After any error the link is closed and must be opened anew: umqtt keeps no promise after one.
"""

import time

from micropython import const

from . import errors, log, net, phases  # noqa: F401 (net stays: its streams outlive the phase that opens them)

_MAX_PAYLOAD = const(4096)
_QUEUE = const(4)  # messages waiting; a broker that sends more before we look loses the oldest
_PUBACK = const(0x40)  # umqtt hands back the first byte of what it was not waiting for
_PUBACK_REST = const(3)
_LAST_PID = const(65000)  # umqtt never wraps its packet id: 65536 would go out as 0
_PACKET = const(128)  # most packets of ours are smaller
SUBSCRIBED = ("update", "response")


class Link:
    """One connection at a time: publish, receive, close.

    context: of TLS, kept, because later the heap may have no room for a new one. client: umqtt's.
    """

    was_reached: bool  # the broker, by TCP, since the start; set by online.py

    def __init__(self, config, mac):
        self.config = config
        self.mac = mac
        self._topics = ("%s/%s/ota/" % (config.topic_prefix, mac)).encode()
        self.context = self.client = self.socket = None
        self.is_open = False
        self.last_ping = time.ticks_ms()
        self._queue = []

    def connect(self):
        """At most mqtt_timeout_s. Raises OtaError."""
        phases.call("online", "open_link", self)

    def publish(self, name, payload, waits=True):
        """Publish at QoS 1. The acknowledgement is waited for, or left to receive(). Raises OtaError."""
        if not self.is_open:
            raise errors.OtaError(errors.CONNECTION_FAILED, "no broker link")
        self.limit(self.config.publish_timeout_s)
        if self.client.pid > _LAST_PID:
            self.client.pid = 0
        self.socket.leaves_answer = not waits
        self.call(self.client.publish, self.topic(name), payload.encode(), False, 1)
        if self.socket:
            self.socket.leaves_answer = False

    def receive(self):
        """The next (name of the topic, payload bytes), or None. Does not wait for a message to begin, and
        asks no poller whether one does: over TLS that takes longer than to look."""
        if not self._queue:
            self.limit(self.config.publish_timeout_s)
            if self.call(self.client.check_msg) == _PUBACK:
                self.call(self.socket.read, _PUBACK_REST)
        return self._queue.pop(0) if self._queue else None

    def keep_alive(self):
        """Ping at half the keepalive; a peer silent for a whole one is dead. Raises OtaError."""
        period_ms = self.config.keepalive_s * 500
        now = time.ticks_ms()
        if time.ticks_diff(now, self.last_ping) < period_ms:
            return
        if time.ticks_diff(now, self.socket.stream.last_received) > 2 * period_ms:
            self.close()
            raise errors.OtaError(errors.TIMEOUT, "broker is silent")
        self.last_ping = now
        self.limit(self.config.publish_timeout_s)
        self.call(self.client.ping)

    def close(self):
        if self.socket:
            self.socket.close()
        self.client = self.socket = None  # nothing holds on to its memory
        self.is_open = False

    def on_message(self, topic, payload):
        """Only store: umqtt calls this in the middle of its own protocol."""
        for name in SUBSCRIBED:
            if topic == self.topic(name):
                del self._queue[: 1 - _QUEUE]
                self._queue.append((name, payload))
                return
        log.warning("message on a foreign topic ignored")

    def topic(self, name):
        return self._topics + name.encode()

    def limit(self, seconds):
        self.socket.stream.limit(seconds * 1000)

    def call(self, function, *arguments):
        """Run one umqtt call; whatever it raises becomes an OtaError, and the link is closed."""
        try:
            answer = function(*arguments)
            self.socket.flush()
            return answer
        except _Sent:
            return None
        except errors.OtaError:
            self.close()
            raise
        except MemoryError:
            self.close()
            raise errors.OtaError(errors.NO_MEM, "broker")
        except Exception as error:  # IndexError, AssertionError …: umqtt checks little
            self.close()
            is_refusal = type(error).__name__ == "MQTTException"
            what = "broker refused: %s" if is_refusal else "broker link: %r"
            raise errors.OtaError(errors.CONNECTION_FAILED, what % error)


class _Sent(Exception):
    """A packet is on its way, and its answer is not waited for."""


class BlockingSocket:
    """What umqtt takes for a socket: each read and write within the limit of its stream, a net.Stream.

    What umqtt writes piece by piece goes out in one, when it reads or at `flush()`. A read of a huge message
    is drained and comes back empty, so that it cannot exhaust the heap. With leaves_answer a read raises
    Sent.
    """

    def __init__(self, stream):
        self.stream = stream
        self.leaves_answer = False
        self._blocking = True
        self._byte = bytearray(1)
        self._packet = bytearray(_PACKET)
        self._gathered = 0  # bytes of it that are not sent yet

    def connect(self, address):
        """It is: umqtt only believes that it does this."""

    def setblocking(self, flag):
        self._blocking = flag

    def settimeout(self, seconds):
        self._blocking = True

    def read(self, count):
        """bytes; if not blocking, None if nothing is there and b"" at the end of the stream, which in the
        middle of a packet raises OtaError(CONNECTION_FAILED): umqtt would take it for an empty message."""
        self.flush()
        if self.leaves_answer:
            raise _Sent
        if not self._blocking:
            got = self.stream.readinto(self._byte, 1)
            return bytes(self._byte) if got else None if got is None else b""
        if count < 0:
            raise errors.OtaError(errors.BAD_MESSAGE, "impossible packet length")
        is_huge = count > _MAX_PAYLOAD
        buffer = bytearray(64 if is_huge else count)
        while is_huge and count > 64:
            self._read_exactly(buffer, 64)
            count -= 64
        self._read_exactly(buffer, count)
        return b"" if is_huge else bytes(buffer)

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
        self.stream.close()
