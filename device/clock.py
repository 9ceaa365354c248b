"""The clock as everybody reads it: Unix seconds as integers, whatever the port's epoch. ntp.py sets it."""

import os
import time

EPOCH_2000 = 946684800 if time.gmtime(0)[0] == 2000 else 0
IDLE_MS = 50  # what a step yields that has nothing to do: how long the caller may sleep


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
