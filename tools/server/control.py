"""The socket in the folder of our own mosquitto, where a client is whom it says: it begins or ends sessions
in another's name."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.keys.identities import Login

LIMIT_S = 10
_CONNECT, _SUBSCRIBE, _DISCONNECT = 0x10, 0x82, b"\xe0\x00"
_CONNACK_BYTES, _ANSWER_BYTES = 4, 64
_SUBACK, _SUBACK_HEAD, _REFUSED = b"\x90", 4, 0x80
_USER_NAME, _CLEAN_SESSION = 0x80, 0x02
_KEEPALIVE_S = 10


def end_session(control: Path, name: str) -> None:
    """Disconnects that client and forgets its session: this connection takes its place. Raises OSError."""
    with _connected(control, Login(name, name), _CLEAN_SESSION):
        pass


def begin_session(control: Path, login: Login, topics: Sequence[str]) -> None:
    """From now on the broker keeps for that client what comes on these topics, by QoS 1. Raises OSError."""
    with _connected(control, login, 0) as connection:
        body = struct.pack("!H", 1) + b"".join(_text(topic) + b"\x01" for topic in topics)
        connection.sendall(_packet(_SUBSCRIBE, body))
        answer = connection.recv(_ANSWER_BYTES)
        codes = answer[_SUBACK_HEAD:]
        if answer[:1] != _SUBACK or len(codes) != len(topics) or max(codes) >= _REFUSED:
            raise ConnectionRefusedError(f"{control}: no subscription for {login.client_id}")


@contextlib.contextmanager
def _connected(control: Path, login: Login, flags: int) -> Iterator[socket.socket]:
    folder = os.open(control.parent, os.O_RDONLY)
    try:
        near = f"/proc/self/fd/{folder}/{control.name}"  # a socket's address has 108 bytes at most
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LIMIT_S)
            connection.connect(near if Path(near).exists() else str(control))
            head = struct.pack("!H4sBBH", 4, b"MQTT", 4, _USER_NAME | flags, _KEEPALIVE_S)
            connection.sendall(_packet(_CONNECT, head + _text(login.client_id) + _text(login.user)))
            if connection.recv(_CONNACK_BYTES)[-1:] != b"\0":  # its last byte is the code
                raise ConnectionRefusedError(f"{control}: {login.client_id} is refused")
            yield connection
            connection.sendall(_DISCONNECT)
    finally:
        os.close(folder)


def _packet(kind: int, body: bytes) -> bytes:
    length = len(body)
    size = bytes((length,)) if length < 128 else bytes((length & 0x7F | 0x80, length >> 7))
    return bytes((kind,)) + size + body


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text)) + text.encode()
