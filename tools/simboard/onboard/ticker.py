"""Calls a function again and again between two bytecodes of whatever runs, as MicroPython does what an
interrupt has scheduled. Where there is neither ffi nor CPython: at each look at the clock, and in a sleep.

A tick is longer than the package waits at once, and the next one is set once this one is over: MicroPython
begins a wait anew that a signal has interrupted, and on a busy machine would never end it.
"""

import sys

import boardtime

_TICK_MS = 200
_SIGNAL = 10  # SIGUSR1: the watchdog has SIGALRM

_kept = []  # what the host's C library holds pointers to

try:
    import ffi
except ImportError:
    ffi = None

if ffi:
    import struct

    import micropython
    import uctypes

    _libc = ffi.open("libc.so.6")
    _catch = _libc.func("p", "signal", "iC")
    _create = _libc.func("i", "timer_create", "ipp")
    _set = _libc.func("i", "timer_settime", "Pipp" if sys.maxsize > 1 << 32 else "iipp")
    _MONOTONIC = 1

    def start(function):
        """function(0) may be called late, never early, and never inside itself."""

        def interrupt(_):
            try:
                micropython.schedule(tick, 0)
            except RuntimeError:  # the queue is full
                set_next()

        def tick(_):
            try:
                function(0)
            finally:
                set_next()

        def set_next():
            _set(number, 0, uctypes.addressof(once), 0)

        _kept.append(ffi.callback("v", interrupt, "i", lock=True))
        _catch(_SIGNAL, _kept[0])
        event, identity = bytearray(64), bytearray(8)
        struct.pack_into("ii", event, struct.calcsize("P"), _SIGNAL, 0)
        _create(_MONOTONIC, uctypes.addressof(event), uctypes.addressof(identity))
        number = struct.unpack("P" if sys.maxsize > 1 << 32 else "i", identity)[0]
        once = struct.pack("4l", 0, 0, 0, _TICK_MS * 1000000)
        set_next()

elif sys.implementation.name == "micropython":
    _sleep_ms, _ticks_ms = boardtime.sleep_ms, boardtime.ticks_ms

    def start(function):
        _kept.append(function)

    def _look():
        for function in _kept:
            function(0)

    def ticks_ms():
        _look()
        return _ticks_ms()

    def sleep_ms(ms):
        until = boardtime.ticks_add(_ticks_ms(), ms)
        while (left := boardtime.ticks_diff(until, _ticks_ms())) > 0:
            _sleep_ms(min(left, _TICK_MS))
            _look()

    def sleep(seconds):
        sleep_ms(int(seconds * 1000))

    def install():
        """Before anybody imports `time`."""
        boardtime.ticks_ms, boardtime.sleep_ms, boardtime.sleep = ticks_ms, sleep_ms, sleep

else:
    import signal
    import threading

    def start(function):
        main = threading.get_ident()

        def interrupt():
            while True:
                boardtime.sleep_ms(_TICK_MS)
                signal.pthread_kill(main, _SIGNAL)

        signal.signal(_SIGNAL, lambda *_: function(0))
        threading.Thread(target=interrupt, daemon=True).start()
