"""A tiny SNTP server on loopback, valid or wrong."""

from __future__ import annotations

import socket
import struct
import threading
import time

HOST = "127.0.0.1"
MODES = ("valid", "dead", "kiss_of_death", "zero")
PACKET_SIZE = 48
NTP_TO_UNIX_S = 2208988800  # RFC 5905: 1900-01-01 to 1970-01-01
_CLIENT = 3
_SERVER = 4
_POLL_S = 0.2
_PACKET = struct.Struct("!4B2I4s4Q")


class NtpServer:
    """`with NtpServer() as ntp:` answers on 127.0.0.1:ntp.port (UDP).

    mode: one of MODES, may be changed while it runs. offset_s: added to the right time, for
    lies. requests: how many came.
    """

    def __init__(self, mode: str = "valid", offset_s: int = 0, port: int = 0) -> None:
        self.mode = mode
        self.offset_s = offset_s
        self.requests = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, port))
        self._socket.settimeout(_POLL_S)
        self.port = int(self._socket.getsockname()[1])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> NtpServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                query, sender = self._socket.recvfrom(512)
            except OSError:  # nothing came, or the last answer reached nobody
                continue
            reply = self._reply(query)
            if reply:
                self._socket.sendto(reply, sender)

    def _reply(self, query: bytes) -> bytes | None:
        if len(query) < PACKET_SIZE or query[0] & 7 != _CLIENT:
            return None
        self.requests += 1
        if self.mode == "dead":
            return None
        if self.mode == "zero":
            return bytes(PACKET_SIZE)
        first = query[0] & 0x38 | _SERVER  # the client's protocol version
        (originate,) = struct.unpack_from("!Q", query, 40)
        if self.mode == "kiss_of_death":
            return _PACKET.pack(first, 0, 0, 0, 0, 0, b"RATE", 0, originate, 0, 0)
        now = timestamp(time.time() + self.offset_s)
        return _PACKET.pack(first, 1, 6, 0xEC, 0, 0, b"LOCL", now, originate, now, now)


def timestamp(unix_s: float) -> int:
    """The 64-bit NTP time; it wraps in 2036, as the real one does."""
    return int((unix_s + NTP_TO_UNIX_S) * 2**32) & 0xFFFFFFFFFFFFFFFF
