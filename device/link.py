"""The MQTT link to the broker: umqtt.simple made bounded. The only importer of umqtt.

After any error the link is closed and must be connected anew: umqtt keeps no promise after one.
"""

import time

import umqtt.simple
from micropython import const

from . import config, errors, log, messages, net, umqttsocket, url

_MAX_PAYLOAD = const(4096)
_QUEUE = const(4)  # messages waiting; a broker that sends more before we look loses the oldest
_PUBACK = const(0x40)  # umqtt hands back the first byte of what it was not waiting for
_PUBACK_REST = const(3)
_LAST_PID = const(65000)  # umqtt never wraps its packet id: 65536 would go out as 0
SUBSCRIBED = (messages.UPDATE, messages.RESPONSE)


def _context(settings):
    """The TLS context for the broker, with this board's own certificate; None for plain mqtt://."""
    if not settings.broker.startswith("mqtts://"):
        return None
    read = config.read_file
    return net.client_context(
        read(settings.broker_ca), read(settings.client_cert), read(settings.client_key)
    )


class Link:
    """One connection at a time: connect, publish, receive, close."""

    def __init__(self, settings, mac):
        """Raises OtaError(NO_INIT) if a certificate or the key cannot be used."""
        self._context = _context(settings)  # kept: later the heap may have no room for a new one
        self._config = settings
        self._mac = mac
        self._topics = messages.topic(settings.topic_prefix, mac, "").encode()
        self._host, self._port, _ = url.parse(settings.broker, settings.broker.split(":", 1)[0])
        self._client = self._socket = None
        self._queue = []
        self._last_ping = time.ticks_ms()

    @property
    def is_open(self):
        return self._client is not None

    def connect(self):
        """Connect with the persistent session. At most mqtt_timeout_s. Raises OtaError."""
        self.close()
        timeout_ms = self._config.mqtt_timeout_s * 1000
        self._socket = umqttsocket.BlockingSocket(
            lambda: net.connect(self._host, self._port, self._context, timeout_ms), _MAX_PAYLOAD
        )
        umqtt.simple.socket = umqttsocket.SocketModule(self._socket)
        self._client = umqtt.simple.MQTTClient(
            self._mac.encode(),
            self._host,
            self._port,
            (self._config.broker_user or self._mac).encode(),
            self._config.broker_password.encode(),
            self._config.keepalive_s,
        )
        self._client.set_callback(self._on_message)
        self._call(self._client.connect, False)
        self._last_ping = time.ticks_ms()

    def subscribe(self, name):
        """name: one of SUBSCRIBED. Raises OtaError."""
        self._limit(self._config.subscribe_timeout_s)
        self._call(self._client.subscribe, self._topic(name), 1)

    def publish(self, name, payload, waits=True):
        """Publish at QoS 1. The acknowledgement is waited for, or left to receive(). Raises OtaError."""
        if self._client is None:
            raise errors.OtaError(errors.CONNECTION_FAILED, "no broker")
        self._limit(self._config.publish_timeout_s)
        if self._client.pid > _LAST_PID:
            self._client.pid = 0
        self._socket.leaves_answer = not waits
        self._call(self._client.publish, self._topic(name), payload.encode(), False, 1)
        self._socket.leaves_answer = False

    def receive(self):
        """The next (topic, payload), bytes, or None. Does not wait for a message to begin."""
        if not self._queue and self._socket.stream.wait(0):
            self._limit(self._config.publish_timeout_s)
            if self._call(self._client.check_msg) == _PUBACK:
                self._call(self._socket.read, _PUBACK_REST)
        return self._queue.pop(0) if self._queue else None

    def keep_alive(self):
        """Ping at half the keepalive; a peer silent for a whole one is dead. Raises OtaError."""
        period_ms = self._config.keepalive_s * 500
        now = time.ticks_ms()
        if time.ticks_diff(now, self._last_ping) < period_ms:
            return
        if time.ticks_diff(now, self._socket.stream.last_received) > 2 * period_ms:
            self.close()
            raise errors.OtaError(errors.TIMEOUT, "broker is silent")
        self._last_ping = now
        self._limit(self._config.publish_timeout_s)
        self._call(self._client.ping)

    def close(self):
        if self._socket:
            self._socket.close()
        self._client = self._socket = umqtt.simple.socket = None  # nothing holds on to its memory

    def _topic(self, name):
        return self._topics + name.encode()

    def _on_message(self, topic, payload):
        """Only store: umqtt calls this in the middle of its own protocol."""
        if len(self._queue) >= _QUEUE:
            self._queue.pop(0)
        self._queue.append((topic, payload))

    def _limit(self, seconds):
        self._socket.limit(seconds * 1000)

    def _call(self, function, *arguments):
        """Run one umqtt call; whatever it raises becomes an OtaError, and the link is closed."""
        try:
            answer = function(*arguments)
            self._socket.flush()
            return answer
        except umqttsocket.Sent:
            return None
        except errors.OtaError:
            self.close()
            raise
        except MemoryError:
            self.close()
            raise errors.OtaError(errors.NO_MEM, "broker")
        except umqtt.simple.MQTTException as error:
            self.close()
            raise errors.OtaError(errors.CONNECTION_FAILED, "broker refused: %s" % error)
        except Exception as error:  # IndexError, AssertionError …: umqtt checks little
            self.close()
            raise errors.OtaError(errors.CONNECTION_FAILED, "broker: %r" % error)

    def name_of(self, topic):
        """b"wm_iot/MAC/ota/update" -> "update"; None for a topic we did not subscribe to."""
        for name in SUBSCRIBED:
            if topic == self._topic(name):
                return name
        log.warning("message on a foreign topic ignored")
        return None
