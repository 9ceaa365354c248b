"""^C on the simulated board, as a flag in shared memory that every look at the clock and every sleep obeys.

A signal would not do: this port raises out of its handler, also from the middle of a garbage collection.
"""

import boardtime
import sharedmemory

_SLICE_MS = 20

_sleep_ms = boardtime.sleep_ms
_ticks_ms = boardtime.ticks_ms


def _obey():
    if sharedmemory.get(sharedmemory.INTERRUPT):
        sharedmemory.put(sharedmemory.INTERRUPT, 0)
        raise KeyboardInterrupt


def ticks_ms():
    _obey()
    return _ticks_ms()


def sleep_ms(ms):
    until = boardtime.ticks_add(_ticks_ms(), ms)
    _obey()
    while True:
        left = boardtime.ticks_diff(until, _ticks_ms())
        if left <= 0:
            return
        _sleep_ms(min(left, _SLICE_MS))
        _obey()


def sleep(seconds):
    sleep_ms(int(seconds * 1000))


def install():
    """Before anybody imports `time`."""
    boardtime.ticks_ms = ticks_ms
    boardtime.sleep_ms = sleep_ms
    boardtime.sleep = sleep
