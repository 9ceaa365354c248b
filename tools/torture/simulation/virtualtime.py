"""Virtual time of the simulation: nobody waits, a wait moves the clock.

Stands below the simulated board's own `time` shim, which goes on doing what it does: ticks that wrap,
a clock that starts unset.
"""

import time

import boardtime

START_S = 1_800_000_000  # Unix time at which each case begins

now_ms = 0  # since the case began
watchdog_at_ms = None


class Bitten(BaseException):
    """The watchdog was not fed in time."""


class _Host:
    """What the shim takes for the host's `time`."""

    @staticmethod
    def time():
        return START_S + now_ms // 1000

    gmtime = staticmethod(boardtime._host.gmtime)


def install():
    boardtime._host_ms = lambda: now_ms
    boardtime._host_diff = lambda end, start: end - start
    boardtime._host = _Host
    for module in (boardtime, time):
        module.sleep_ms = advance
        module.sleep = lambda seconds: advance(int(seconds * 1000))


def begin(wrap_in_ms):
    """A new case. wrap_in_ms: after each boot, when the tick counter wraps."""
    global now_ms
    now_ms = 0
    boardtime._TICKS_START = (1 << 30) - wrap_in_ms


def unix_s():
    """The true time."""
    return START_S + now_ms // 1000


def boot(clock):
    """The board's own counters start anew; its clock says this (s, 0 = unset)."""
    global watchdog_at_ms
    watchdog_at_ms = None
    boardtime._started = now_ms
    boardtime._clock_base = clock
    boardtime._clock_set = _Host.time()


def advance(ms):
    """Raises Bitten when that takes longer than the watchdog waits."""
    global now_ms
    now_ms += ms
    if watchdog_at_ms is not None and now_ms > watchdog_at_ms:
        raise Bitten


def feed_watchdog(seconds):
    global watchdog_at_ms
    watchdog_at_ms = now_ms + seconds * 1000
