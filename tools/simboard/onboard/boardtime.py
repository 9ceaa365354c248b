"""Shim of `time`: ticks that wrap soon after start, an own clock that starts unset, either epoch.

Never touches the host's clock. Serves as module `time` on MicroPython (time.py) and, through the
import hook, for device code on CPython.
"""

import sys

import facts

if sys.implementation.name == "micropython":
    import utime as _host
    from utime import sleep, sleep_ms, ticks_us

    _host_ms = _host.ticks_ms
    _host_diff = _host.ticks_diff
else:
    import time as _host
    from time import sleep

    def _host_ms():
        return _host.monotonic_ns() // 1_000_000

    def _host_diff(end, start):
        return end - start

    def sleep_ms(ms):
        sleep(ms / 1000)

    def ticks_us():
        return (_host.monotonic_ns() // 1000) & _TICKS_MASK


_TICKS_MASK = (1 << 30) - 1
_TICKS_HALF = 1 << 29
_BEFORE_WRAP_MS = 4000  # a board meets the wrap after 12.4 days; this one after 4 seconds
_TICKS_START = (1 << 30) - _BEFORE_WRAP_MS

_started = _host_ms()
_clock_base = 0  # board's seconds at _clock_set
_clock_set = int(_host.time())


def epoch():
    """Unix time of the board's second 0."""
    return 946684800 if facts.get("epoch") == 2000 else 0


def ticks_ms():
    return (_TICKS_START + _host_diff(_host_ms(), _started)) & _TICKS_MASK


plain_ticks_ms = ticks_ms  # whatever others put in its place


def ticks_add(ticks, delta):
    return (ticks + delta) & _TICKS_MASK


def ticks_diff(end, start):
    return ((end - start + _TICKS_HALF) & _TICKS_MASK) - _TICKS_HALF


def time():
    return int(_host.time()) - _clock_set + _clock_base


def set_time(seconds):
    """seconds: of the board's epoch."""
    global _clock_base, _clock_set
    _clock_base, _clock_set = seconds, int(_host.time())


def gmtime(seconds=None):
    moment = _host.gmtime((time() if seconds is None else seconds) + epoch())
    return tuple(moment[:8])


localtime = gmtime


def mktime(moment):
    """Days since 1970 by the civil calendar; the host's own mktime knows time zones."""
    year, month, day, hour, minute, second = moment[:6]
    year -= month <= 2
    era_day = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = 365 * year + year // 4 - year // 100 + year // 400 + era_day - 719468
    return days * 86400 + hour * 3600 + minute * 60 + second - epoch()
