"""A board's connection to the broker, by its files in a folder of keys: no more of a board than that."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tools.keys import certificates, keyfiles
from tools.keys.certificates import Pair


class MqttBoard:
    """connected: how often it was. ended: how often a connection ended that had stood. refused: how often
    none came. It tries again by itself, every second."""

    def __init__(self, pair: Pair, broker_ca: bytes, port: int, user: str = "anybody") -> None:
        """broker_ca: PEM. user: the name that it gives."""
        self.connected = self.ended = self.refused = 0
        self.sessions: list[bool] = []
        self.heard: list[tuple[str, bytes]] = []
        name = certificates.common_name(pair.certificate)
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, name, clean_session=False)
        self.client.username_pw_set(user)
        self.client.tls_set_context(_context(pair, broker_ca))
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_connect_fail = self._on_connect_fail
        self.client.on_message = lambda _, __, message: self.heard.append((message.topic, message.payload))
        self.client.connect_async("127.0.0.1", port, 30)
        self.client.loop_start()

    def __enter__(self) -> MqttBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_connect(self, _: object, __: object, flags: object, reason: object, ___: object) -> None:
        self.connected += not reason.is_failure
        self.sessions.append(flags.session_present)

    def _on_connect_fail(self, *_: object) -> None:
        self.refused += 1

    def _on_disconnect(self, *_: object) -> None:
        if self.connected > self.ended:
            self.ended += 1
        else:
            self.refused += 1


def of(keys: Path, mac: str, port: int, trusted: Path | None = None) -> MqttBoard:
    """trusted: a folder of earlier files of this board, whose authorities it trusts."""
    pair = keyfiles.read_pair(keys / "devices" / mac, "client", form="der")
    found = keyfiles.read_certificates((trusted or keys / "devices" / mac) / "broker_ca.der")
    return MqttBoard(pair, b"".join(one.public_bytes(keyfiles.ENCODINGS["pem"]) for one in found), port)


def _context(pair: Pair, broker_ca: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=broker_ca.decode())
    with tempfile.NamedTemporaryFile() as file:
        certificate = pair.certificate.public_bytes(keyfiles.ENCODINGS["pem"])
        file.write(certificate + keyfiles.key_bytes(pair.key))
        file.flush()
        context.load_cert_chain(file.name)
    return context
