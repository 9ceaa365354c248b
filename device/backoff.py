"""Waiting between tries: exponential with full jitter, so that a fleet does not come back at once."""

import os
import time

from micropython import const

_LONGEST_GRANT_MS = const(3600_000)  # what Retry-After may add to a window
IDLE_MS = const(50)  # what a step yields that has nothing to do: how long the caller may sleep


def random_below(limit):
    """A random int in [0, limit), limit <= 2**40."""
    return int.from_bytes(os.urandom(6), "big") % limit if limit > 0 else 0


def jittered_ms(interval_s):
    """The interval, up to a quarter more or less."""
    quarter = interval_s * 250
    return 3 * quarter + random_below(2 * quarter)


def sleep(ms):
    """Generator: yields until ms have passed."""
    started = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), started) < ms:
        yield IDLE_MS


class Backoff:
    """Delays of 0..min, 0..2 min, 0..4 min ... up to 0..max seconds."""

    def __init__(self, min_s, max_s):
        self._min_ms = min_s * 1000
        self._max_ms = max_s * 1000
        self.reset()

    def reset(self):
        self._ceiling_ms = self._min_ms

    def next_ms(self):
        delay = random_below(self._ceiling_ms)
        self._ceiling_ms = min(2 * self._ceiling_ms, self._max_ms)
        return delay

    def pause(self):
        """Generator: yields until the next delay is over."""
        yield from sleep(self.next_ms())


class Patience:
    """Tries again and again, until a window that begins anew with each progress is over."""

    def __init__(self, config):
        self._backoff = Backoff(config.backoff_min_s, config.backoff_max_s)
        self._window_ms = config.retry_window_s * 1000
        self._has_paused = False
        self._granted_ms = 0
        self.progress()

    def progress(self):
        """Allocates nothing, and is short, because each block calls it."""
        self._last = time.ticks_ms()
        if self._has_paused:
            self._has_paused = False
            self._granted_ms = 0
            self._backoff.reset()

    def is_over(self):
        waited_ms = time.ticks_diff(time.ticks_ms(), self._last) - self._granted_ms
        return waited_ms >= self._window_ms

    def pause(self, asked_s):
        """Generator: yields until the next try. asked_s: what the peer asked for; the window does not
        shrink by it."""
        self._has_paused = True
        granted_ms = min(asked_s * 1000, _LONGEST_GRANT_MS - self._granted_ms)
        self._granted_ms += granted_ms
        yield from sleep(granted_ms)
        yield from self._backoff.pause()
