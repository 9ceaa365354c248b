"""Disconnects a client of our own mosquitto and forgets its session: another connection takes its name.

It comes by the socket in the broker's folder, where a client is whom its user name says.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

LIMIT_S = 10
_CONNECT, _CONNACK_BYTES, _DISCONNECT = 0x10, 4, b"\xe0\x00"
_USER_NAME_AND_CLEAN_SESSION = 0x82
_KEEPALIVE_S = 10


def end_session(control: Path, name: str) -> None:
    """name: the client's, which is its MAC. Raises OSError."""
    folder = os.open(control.parent, os.O_RDONLY)
    try:
        # A socket's address has 108 bytes at most, paths may be longer.
        near = f"/proc/self/fd/{folder}/{control.name}"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LIMIT_S)
            connection.connect(near if Path(near).exists() else str(control))
            text = struct.pack("!H", len(name)) + name.encode()
            protocol = struct.pack("!H4sBBH", 4, b"MQTT", 4, _USER_NAME_AND_CLEAN_SESSION, _KEEPALIVE_S)
            body = protocol + text + text
            connection.sendall(bytes((_CONNECT, len(body))) + body)
            connection.recv(_CONNACK_BYTES)
            connection.sendall(_DISCONNECT)
    finally:
        os.close(folder)
