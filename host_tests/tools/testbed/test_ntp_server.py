"""The time server of demo and tests, when it is right and when it is not."""

from __future__ import annotations

import socket
import struct
import time

import pace
import pytest

from tools.testbed import ntp

NOTHING_S = 0.5
NEAR_S = 300  # between two looks at the clock, on the slowest machine


def _ask(server: ntp.NtpServer, limit_s: float = pace.HANG_S) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(limit_s)
        query = bytearray(48)
        query[0] = 0x1B
        query[40:48] = b"originat"
        sock.sendto(query, ("127.0.0.1", server.port))
        return sock.recv(512)


def _unix_s(reply: bytes) -> int:
    return struct.unpack_from("!I", reply, 40)[0] - ntp.NTP_TO_UNIX_S


def test_ntp_honest_and_lying() -> None:
    with ntp.NtpServer() as server:
        reply = _ask(server)
        assert (len(reply), reply[0], reply[1], reply[24:32]) == (48, 0x1C, 1, b"originat")
        assert abs(_unix_s(reply) - time.time()) < NEAR_S
        server.offset_s = -86400
        assert abs(_unix_s(_ask(server)) - time.time() + 86400) < NEAR_S
        assert server.requests == 2


def test_ntp_kiss_zero_dead() -> None:
    with ntp.NtpServer("kiss_of_death") as server:
        reply = _ask(server)
        assert (reply[1], reply[12:16], reply[40:48]) == (0, b"RATE", bytes(8))
        server.mode = "zero"
        assert _ask(server) == bytes(48)
        server.mode = "dead"
        with pytest.raises(TimeoutError):
            _ask(server, NOTHING_S)
