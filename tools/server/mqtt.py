"""One MQTT connection of the server, driven by the asyncio loop: connected anew until it is closed.

The loop reads and writes for paho instead of a thread of its own: half the processor time for a message,
and no locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tools.identities import Login

KEEPALIVE_S = 30
CONNECT_LIMIT_S = 10
RETRY_S = 1
MISC_S = 0.5
READS_AT_ONCE = 100  # before files and the page have their turn
IN_FLIGHT = 200  # messages that the broker has not acknowledged yet


class Link:
    """`run()` holds the connection. topics: [(filter, QoS)], subscribed to at each connect.

    on_message(topic, payload) is called in the loop; messages that a broker retains are left out, because no
    board retains any. lasting: the broker keeps the session, and what comes for it, while we are away.
    """

    def __init__(
        self,
        login: Login,
        address: tuple[str, int],
        tls: ssl.SSLContext,
        topics: list[tuple[str, int]],
        on_message: Callable[[str, bytes], None],
        on_state: Callable[[str], None],
        lasting: bool = False,
    ) -> None:
        self.is_up = False
        self.refusal = ""
        self._address = address
        self._topics = topics
        self._on_message = on_message
        self._on_state = on_state
        self._received = 0
        self._lost = asyncio.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, login.client_id, clean_session=not lasting)
        self._client.username_pw_set(login.user)
        self._client.tls_set_context(tls)
        self._client.connect_timeout = CONNECT_LIMIT_S
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_disconnect = self._disconnected
        self._client.on_socket_close = self._closing
        self._client.on_message = self._take

    def publish(self, topic: str, payload: str, qos: int) -> None:
        """Hand it to paho, which sends it as soon as the broker takes it."""
        self._client.publish(topic, payload, qos)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._hold()
                await asyncio.sleep(RETRY_S)
        finally:
            self._close()

    async def _hold(self) -> None:
        """One connection, from its beginning to its end."""
        host, port = self._address
        self._lost.clear()
        try:
            await asyncio.to_thread(self._client.connect, host, port, KEEPALIVE_S)
        except OSError as error:
            self._tell(f"no broker at {host}:{port}: {error}")
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(self._client.socket(), self._readable)
        while not self._lost.is_set():
            self._client.loop_misc()
            self._flush()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._lost.wait(), MISC_S)

    def _readable(self) -> None:
        try:
            for _ in range(READS_AT_ONCE):
                before = self._received
                self._client.loop_read()
                socket = self._client.socket()
                if socket is None or (before == self._received and not socket.pending()):
                    break
        except Exception as error:  # what could not be stored is not acknowledged: the broker sends it again
            self._tell(f"cannot take a message: {error!r}")
            self._client.disconnect()
        self._flush()

    def _flush(self) -> None:
        """Write what paho has, and be called again if the socket is full."""
        if self._client.want_write():
            self._client.loop_write()
        socket = self._client.socket()
        if socket is None:
            return
        loop = asyncio.get_running_loop()
        if self._client.want_write():
            loop.add_writer(socket, self._flush)
        else:
            loop.remove_writer(socket)

    @staticmethod
    def _closing(_: Any, __: Any, socket: Any) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(socket)
        loop.remove_writer(socket)

    def _connected(self, _: Any, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        if reason.is_failure:
            self._tell(f"the broker refused us: {reason}")
        else:
            self._client.subscribe(self._topics)

    def _subscribed(self, _: Any, __: Any, ___: Any, reasons: list[Any], ____: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._tell(f"the broker refused a subscription: {refused[0]}")
        else:
            self.is_up = True
            self._tell("connected")

    def _disconnected(self, *_: Any) -> None:
        if self.is_up:
            self._tell("connection lost")
        self.is_up = False
        self._lost.set()

    def _take(self, _: Any, __: Any, message: mqtt.MQTTMessage) -> None:
        self._received += 1
        if not message.retain:
            self._on_message(message.topic, message.payload)

    def _tell(self, text: str) -> None:
        """Each state once, however often it is tried again."""
        if text != self.refusal:
            self.refusal = text
            self._on_state(text)

    def _close(self) -> None:
        self.is_up = False
        if self._client.socket() is not None:
            self._client.disconnect()
            self._flush()
            self._closing(None, None, self._client.socket())
