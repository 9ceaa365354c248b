"""The clock as everybody reads it: Unix seconds as integers, whatever the port's epoch. ntp.py sets it."""

import os
import time

from . import log

EPOCH_2000 = 946684800 if time.gmtime(0)[0] == 2000 else 0
IDLE_MS = 50  # what a step yields that has nothing to do: how long the caller may sleep
_RESYNC_SOON_MS = 600000


class Clock:
    """How far the time is believed. asked_ms, due_ms: of NTP, by the uptime."""

    def __init__(self):
        self.asked_ms = self.due_ms = 0
        self.is_told = False  # that no server is believed
        self.is_doubtful = False  # a certificate was refused since the clock was last set or asked for
        self.proven = 0  # the time at which the uptime was 0, by a clock that a certificate has confirmed

    def is_due(self):
        return log.uptime_ms() >= self.due_ms

    def resync_soon(self):
        """A certificate was refused, which a wrong time may have done: ask again soon, and no more often than
        every ten minutes."""
        self.is_doubtful = True
        self.due_ms = min(self.due_ms, self.asked_ms + _RESYNC_SOON_MS)


def now():
    """Unix seconds, int."""
    return int(time.time()) + EPOCH_2000


def random_below(limit):
    """A random int in [0, limit), limit <= 2**40."""
    return int.from_bytes(os.urandom(6), "big") % limit if limit > 0 else 0


def sleep(ms):
    """Generator: yields until ms have passed."""
    started = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), started) < ms:
        yield IDLE_MS


def back_off(config, ceiling_ms):
    """Exponential with full jitter, so that a fleet does not come back at once: (the next ceiling, how long
    to wait now), in ms. ceiling_ms: what was returned before, 0 at first."""
    ceiling_ms = ceiling_ms or config.backoff_min_s * 1000
    return min(2 * ceiling_ms, config.backoff_max_s * 1000), random_below(ceiling_ms)
