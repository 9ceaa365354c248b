"""One MQTT connection of the server, driven by the asyncio loop: connected anew until it is closed.

The loop reads and writes for paho instead of a thread of its own: half the processor time for a message,
and no locks.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tools.keys.identities import Login
from tools.server.health import TROUBLE

KEEPALIVE_S = 30
CONNECT_LIMIT_S = 10
RETRY_S = 0.25
MISC_S = 0.5
READS_AT_ONCE = 300  # before files and the page have their turn
BATCH = 200  # messages that are taken at once, so that storing them costs one transaction
STORE_AGAIN_S = 1
MAX_WAITING = 20_000  # questions that nobody has looked at yet; of reports the broker sends no more
IN_FLIGHT = 200  # messages that the broker has not acknowledged yet


class Link:
    """`run()` holds the connection. topics: [(filter, QoS)], subscribed to at each connect.

    on_messages([(topic, payload)]) is called in the loop, without what a broker retains, for no board retains
    anything. What it returned from is acknowledged; when it raises, it is called again later with the same
    messages. They are read from the socket as fast as they come: what the broker has handed over does not get
    lost with it. lasting: the broker keeps the session, and what comes for it, while we are away.
    """

    def __init__(
        self,
        login: Login,
        address: tuple[str, int],
        tls: ssl.SSLContext,
        topics: list[tuple[str, int]],
        on_messages: Callable[[list[tuple[str, bytes]]], None],
        on_state: Callable[[str], None],
        lasting: bool = False,
    ) -> None:
        self.is_up = False
        self._told = ""
        self._is_held = False  # else paho is left alone: it connects, in a thread
        self._unsent: list[tuple[str, str, int]] = []  # what came meanwhile
        self._address = address
        self._topics = topics
        self._on_messages = on_messages
        self._on_state = on_state
        self._received = 0
        self._connections = 0
        self._waiting: collections.deque[tuple[int, mqtt.MQTTMessage]] = collections.deque()  # by connection
        self._came = asyncio.Event()
        self._lost = asyncio.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, login.client_id, clean_session=not lasting)
        self._client.manual_ack_set(True)
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
        self._read()
        if self._is_held:
            self._client.publish(topic, payload, qos)
        elif qos:
            self._unsent.append((topic, payload, qos))

    async def run(self) -> None:
        """Until cancelled."""
        tasks = [asyncio.create_task(self._hold_on()), asyncio.create_task(self._take_all())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            self._close()

    async def _hold_on(self) -> None:
        while True:
            await self._hold()
            await asyncio.sleep(RETRY_S)

    async def _hold(self) -> None:
        """One connection, from its beginning to its end."""
        host, port = self._address
        self._lost.clear()
        self._connections += 1
        try:
            await asyncio.to_thread(self._client.connect, host, port, KEEPALIVE_S)
        except OSError as error:
            self._log(f"no broker at {host}:{port}: {error}")
            return
        socket = self._client.socket()
        if socket is None:  # it has gone again
            return
        self._is_held = True
        asyncio.get_running_loop().add_reader(socket, self._readable)
        unsent, self._unsent = self._unsent, []
        for message in unsent:
            self.publish(*message)
        while not self._lost.is_set():
            self._client.loop_misc()
            self._flush()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._lost.wait(), MISC_S)

    def _readable(self) -> None:
        self._read()
        self._flush()

    def _read(self) -> None:
        """Also before each write: one that fails, because the broker has died, ends the connection, and what
        the broker had handed over before would be lost with it."""
        if not self._is_held:
            return
        try:
            for _ in range(READS_AT_ONCE):
                before = self._received
                self._client.loop_read()
                socket = self._client.socket()
                if socket is None or (before == self._received and not socket.pending()):
                    break
        except Exception as error:  # what is not MQTT
            self._log(f"cannot read a message: {error!r}")
            self._client.disconnect()

    async def _take_all(self) -> None:
        """Whatever was read, in order."""
        while True:
            await self._came.wait()
            batch = [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]
            try:
                self._on_messages([(message.topic, message.payload) for _, message in batch])
            except TROUBLE:  # logged where it was raised
                await asyncio.sleep(STORE_AGAIN_S)
                continue
            for connection, message in batch:
                self._waiting.popleft()
                self._read()
                is_same = self._is_held and connection == self._connections
                if message.qos and is_same:  # else the broker sends it again
                    self._client.ack(message.mid, message.qos)
            if not self._waiting:
                self._came.clear()
            self._flush()
            await asyncio.sleep(0)

    def _flush(self) -> None:
        """Write what paho has, and be called again if the socket is full."""
        if not self._is_held:
            return
        if self._client.want_write():
            self._read()
            self._client.loop_write()
        socket = self._client.socket()
        if socket is None:
            return
        loop = asyncio.get_running_loop()
        if self._client.want_write():
            loop.add_writer(socket, self._flush)
        else:
            loop.remove_writer(socket)

    def _closing(self, _: Any, __: Any, socket: Any) -> None:
        if self._is_held:
            self._is_held = False
            loop = asyncio.get_running_loop()
            loop.remove_reader(socket)
            loop.remove_writer(socket)

    def _connected(self, _: Any, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        if reason.is_failure:
            self._log(f"the broker refused us: {reason}")
        else:
            self._client.subscribe(self._topics)

    def _subscribed(self, _: Any, __: Any, ___: Any, reasons: list[Any], ____: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._log(f"the broker refused a subscription: {refused[0]}")
        else:
            self.is_up = True
            self._log("connected")

    def _disconnected(self, *_: Any) -> None:
        was_up, self.is_up = self.is_up, False
        if was_up:
            self._log("connection lost")
        self._lost.set()

    def _take(self, _: Any, __: Any, message: mqtt.MQTTMessage) -> None:
        self._received += 1
        if message.retain:
            self._client.ack(message.mid, message.qos)
            return
        if message.qos or len(self._waiting) < MAX_WAITING:
            self._waiting.append((self._connections, message))
            self._came.set()

    def _log(self, text: str) -> None:
        """Each state once, however often it is tried again."""
        if text != self._told:
            self._told = text
            self._on_state(text)

    def _close(self) -> None:
        self.is_up = False
        if self._is_held:
            self._client.disconnect()
            self._flush()
        if self._is_held:  # the socket is full
            self._closing(None, None, self._client.socket())
