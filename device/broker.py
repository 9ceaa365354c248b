"""Opens the link to the broker: TLS, the greeting, the subscriptions. The only importer of umqtt."""

import time

import umqtt.simple

from . import connection
from .link import BlockingSocket


class _Sockets:
    """What umqtt takes for its module `socket`, for as long as it connects: hands out one socket."""

    def __init__(self, socket):
        self._socket = socket

    def socket(self, *_):
        return self._socket

    def getaddrinfo(self, host, port, *_):
        return [(0, 0, 0, "", (host, port))]


def connect(link):
    """Connect with the persistent session. At most mqtt_timeout_s. Raises OtaError."""
    config = link.config
    link.close()
    scheme, host, port = config.broker_address
    if scheme == "mqtts" and not link.context:
        link.context = connection.broker_context(config)
    stream = connection.connect(host, port, link.context, config.mqtt_timeout_s * 1000)
    link.socket = BlockingSocket(stream)
    user = (config.broker_user or link.mac).encode()
    before = umqtt.simple.socket  # an application may have a client of its own
    umqtt.simple.socket = _Sockets(link.socket)
    try:
        link.client = umqtt.simple.MQTTClient(
            link.mac.encode(), host, port, user, config.broker_password.encode(), config.keepalive_s
        )
        link.client.set_callback(link.on_message)
        link.call(link.client.connect, False)
    finally:
        umqtt.simple.socket = before
    link.is_open = True
    link.last_ping = time.ticks_ms()


def subscribe(link, name):
    """name: one of link.SUBSCRIBED. At most subscribe_timeout_s. Raises OtaError."""
    link.limit(link.config.subscribe_timeout_s)
    link.call(link.client.subscribe, link.topic(name), 1)
