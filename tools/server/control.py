"""The socket in the folder of our own mosquitto, where a client is whom it says: it begins or ends sessions
in another's name."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.keys.identities import Login
from tools.server.packets import mqttpackets

LIMIT_S = 10
_CONNACK_BYTES, _ANSWER_BYTES, _SUBACK_HEAD = 4, 64, 4
_KEEPALIVE_S = 10


def end_session(control: Path, name: str) -> None:
    """Disconnects that client and forgets its session: this connection takes its place. Raises OSError."""
    with _connected(control, Login(name, name), mqttpackets.CLEAN_SESSION):
        pass


def begin_session(control: Path, login: Login, topics: Sequence[str]) -> None:
    """From now on the broker keeps for that client what comes on these topics, by QoS 1. Raises OSError."""
    with _connected(control, login, 0) as connection:
        connection.sendall(mqttpackets.subscribe(1, *topics))
        answer = connection.recv(_ANSWER_BYTES)
        codes = answer[_SUBACK_HEAD:]
        is_suback = answer[:1] == bytes((mqttpackets.SUBACK,))
        if not is_suback or len(codes) != len(topics) or max(codes) >= mqttpackets.REFUSED:
            raise ConnectionRefusedError(f"{control}: no subscription for {login.client_id}")


@contextlib.contextmanager
def _connected(control: Path, login: Login, flags: int) -> Iterator[socket.socket]:
    folder = os.open(control.parent, os.O_RDONLY)
    try:
        near = f"/proc/self/fd/{folder}/{control.name}"  # a socket's address has 108 bytes at most
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LIMIT_S)
            connection.connect(near if Path(near).exists() else str(control))
            connection.sendall(mqttpackets.connect(login.client_id, login.user, _KEEPALIVE_S, flags))
            if connection.recv(_CONNACK_BYTES)[-1:] != b"\0":  # its last byte is the code
                raise ConnectionRefusedError(f"{control}: {login.client_id} is refused")
            yield connection
            connection.sendall(mqttpackets.packet(mqttpackets.DISCONNECT))
    finally:
        os.close(folder)
