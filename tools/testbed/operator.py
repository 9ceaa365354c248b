"""Plays the OTA server on MQTT: hears every device, pushes offers, answers what devices ask."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tools.errors import ToolError
from tools.keys import identities
from tools.server import wire
from tools.server.wire import DEVICE_TOPICS

HOST = "127.0.0.1"
CONNECT_LIMIT_S = 60
PUBLISH_LIMIT_S = 60


@dataclass
class Message:
    """What a device sent. name: the topic after .../ota/. envelope: None if it is not one."""

    mac: str
    name: str
    payload: bytes
    envelope: dict[str, Any] | None

    @property
    def data(self) -> dict[str, Any]:
        data = (self.envelope or {}).get("data")
        return data if isinstance(data, dict) else {}

    @property
    def sequence(self) -> int | None:
        return (self.envelope or {}).get("msg_sequence")

    def __str__(self) -> str:
        return f"{self.mac} {self.name} {self.payload.decode(errors='replace')}"


class Operator:
    """`with Operator(port, pki_dir) as operator:` talks to a broker on 127.0.0.1.

    pki_dir None: without TLS. All methods may be called from any thread.
    """

    def __init__(
        self, port: int, pki_dir: Path | None, *, host: str = HOST, topic_prefix: str = "wm_iot"
    ) -> None:
        self._address = (host, port)
        self._prefix = topic_prefix
        self._messages: list[Message] = []
        self._changed = threading.Condition()
        self._subscribed = False
        self._refusal = ""
        self._sequence = 0
        self._answers: dict[str, dict[str, Any]] = {}
        self._after_init: dict[str, dict[str, Any]] = {}
        self._client = self._make_client(pki_dir)

    def __enter__(self) -> Operator:
        try:
            self._client.connect(*self._address)
        except OSError as error:
            raise ToolError(
                f"no broker at {self._address[0]}:{self._address[1]}: {error}"
            ) from None
        self._client.loop_start()
        try:
            self.wait_until_connected()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def messages(self) -> list[Message]:
        """Everything devices sent, oldest first."""
        with self._changed:
            return list(self._messages)

    def wait_until_connected(self, timeout_s: float = CONNECT_LIMIT_S) -> None:
        """Until the subscription stands, e.g. again after a broker's restart."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._subscribed or self._refusal, timeout_s):
                raise ToolError(f"the broker did not answer within {timeout_s} s")
            if not self._subscribed:
                raise ToolError(f"the broker refused us: {self._refusal}")

    def wait_for(
        self, predicate: Callable[[Message], Any], timeout_s: float, since: int = 0
    ) -> Message:
        """The first message that fits, from the `since`-th on, waiting if none came yet.

        Raises TimeoutError that lists what did arrive.
        """
        found: list[Message] = []

        def look() -> bool:
            found[:] = [m for m in self._messages[since:] if predicate(m)][:1]
            return bool(found)

        with self._changed:
            if self._changed.wait_for(look, timeout_s):
                return found[0]
            arrived = "\n".join(map(str, self._messages[since:])) or "nothing"
        raise TimeoutError(f"not within {timeout_s} s; what arrived:\n{arrived}")

    def push(self, mac: str, offer: dict[str, Any]) -> None:
        """Publish an offer on `update`; returns once the broker has it."""
        self.publish(mac, "update", self._envelope(self._next_sequence(), offer))

    def answer_get(self, mac: str, offer: dict[str, Any] | None) -> None:
        """From now on answer each `get` of this device with the offer; None: stay mute."""
        _set(self._answers, mac, offer)

    def offer_after_init(self, mac: str, offer: dict[str, Any] | None) -> None:
        """From now on push the offer after each INIT report of this device; None: no more."""
        _set(self._after_init, mac, offer)

    def publish(self, mac: str, name: str, payload: bytes, retain: bool = False) -> None:
        """Publish any bytes to a device with QoS 1; returns once the broker has them."""
        info = self._send(mac, name, payload, retain)
        info.wait_for_publish(PUBLISH_LIMIT_S)
        if not info.is_published():
            raise TimeoutError(f"the broker did not acknowledge within {PUBLISH_LIMIT_S} s")

    def _make_client(self, pki_dir: Path | None) -> mqtt.Client:
        login = identities.login(pki_dir) if pki_dir else identities.Login(*[identities.SERVER_IDENTITY] * 2)
        client = mqtt.Client(CallbackAPIVersion.VERSION2, login.client_id)
        client.username_pw_set(login.user)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.reconnect_delay_set(1, 2)
        if pki_dir is not None:
            client.tls_set_context(wire.tls_context(pki_dir))
        return client

    def _close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure:
            self._set_state(False, str(reason))
            return
        client.subscribe([(f"{self._prefix}/+/ota/{name}", 1) for name in DEVICE_TOPICS])

    def _on_subscribe(self, _: Any, __: Any, ___: Any, reasons: list[Any], ____: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        self._set_state(not refused, " ".join(refused))

    def _on_disconnect(self, _: Any, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        with self._changed:
            self._subscribed = False

    def _set_state(self, subscribed: bool, refusal: str) -> None:
        with self._changed:
            self._subscribed, self._refusal = subscribed, refusal
            self._changed.notify_all()

    def _on_message(self, _: Any, __: Any, received: mqtt.MQTTMessage) -> None:
        if received.retain:
            return  # boards retain nothing: the sender of this wants it taken for news
        parts = received.topic.removeprefix(self._prefix + "/").split("/")
        payload = bytes(received.payload)
        message = Message(parts[0], "/".join(parts[2:]), payload, wire.parse(payload))
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()
        self._react(message)

    def _react(self, message: Message) -> None:
        """Runs in the client's own thread, so it must not wait for an acknowledgement."""
        if message.name == "get" and message.mac in self._answers and message.sequence is not None:
            answer = self._envelope(message.sequence, self._answers[message.mac])
            self._send(message.mac, "response", answer)
        is_init = message.name == "firmware/report" and message.data.get("type") == "INIT"
        if is_init and message.mac in self._after_init:
            offer = self._envelope(self._next_sequence(), self._after_init[message.mac])
            self._send(message.mac, "update", offer)

    def _send(
        self, mac: str, name: str, payload: bytes, retain: bool = False
    ) -> mqtt.MQTTMessageInfo:
        return self._client.publish(f"{self._prefix}/{mac}/ota/{name}", payload, 1, retain)

    def _next_sequence(self) -> int:
        with self._changed:
            self._sequence += 1
            return self._sequence - 1

    @staticmethod
    def _envelope(sequence: int, data: dict[str, Any]) -> bytes:
        return wire.envelope(sequence, json.dumps(data, ensure_ascii=False)).encode()


def is_end(message: Message) -> bool:
    """Of an update: the new image's first report, or an error."""
    return "errorCode" in message.data or message.data.get("type") == "UPDATE"


def _set(offers: dict[str, dict[str, Any]], mac: str, offer: dict[str, Any] | None) -> None:
    if offer is None:
        offers.pop(mac, None)
    else:
        offers[mac] = offer
