"""Shim of `ntptime`: asks the host's test server, and like the real one checks no answer."""

import struct

import boardsocket
import boardtime
import facts

host = "pool.ntp.org"
timeout = 1

_FROM_1900_TO_1970 = 2208988800
_SLICE_S = 0.05
_TIMED_OUT = (11, 110, "timed out")  # the last one is CPython's
_MIN_NTP_TIMESTAMP = 3913056000  # what is below (before 2024) counts as the next era


def time():
    """Seconds of the board's epoch."""
    query = bytearray(48)
    query[0] = 0x1B
    server = facts.get("ntp_host") or host
    address = boardsocket.getaddrinfo(server, facts.get("ntp_port"))[0][-1]
    sock = boardsocket.socket(boardsocket.AF_INET, boardsocket.SOCK_DGRAM)
    try:
        sock.sendto(query, address)
        packet = _receive(sock)
    finally:
        sock.close()
    if len(packet) < 44:
        raise ValueError("buffer too small")  # as struct does on a board; CPython's own is not a ValueError
    seconds = struct.unpack("!I", packet[40:44])[0]
    if seconds < _MIN_NTP_TIMESTAMP:
        seconds += 0x100000000
    return seconds - _FROM_1900_TO_1970 - boardtime.epoch()


def _receive(sock):
    """The answer, waited for in short slices: see ticker.py."""
    until = boardtime.ticks_add(boardtime.plain_ticks_ms(), timeout * 1000)
    sock.settimeout(_SLICE_S)
    while True:
        try:
            return sock.recv(48)
        except OSError as error:
            is_over = boardtime.ticks_diff(until, boardtime.plain_ticks_ms()) <= 0
            if is_over or error.args[0] not in _TIMED_OUT:
                raise
