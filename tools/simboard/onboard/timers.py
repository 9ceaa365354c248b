"""Shim of `machine.Timer`: four of hardware, as on an ESP32 before MicroPython had virtual ones. Two objects
of one number are one timer, and the last init() counts. Callbacks run between two bytecodes, what they raise
is printed, and none runs inside an operation of the file system, which on a board is C.
"""

import sys

import boardtime
import files
import ticker

_COUNT = 4

_ticks_ms = boardtime.plain_ticks_ms
_running = {}  # number: [due, period in ms or 0 for one shot, callback, its Timer]
_is_ticking = False
_is_busy = False  # in a callback


class Timer:
    ONE_SHOT, PERIODIC = 0, 1

    def __init__(self, number, **options):
        """-1 is the last one: the port takes its low bits."""
        if not -1 <= number < _COUNT:
            raise ValueError("invalid Timer number")
        self._number = number % _COUNT
        if options:
            self.init(**options)

    def init(self, mode=PERIODIC, period=0, callback=None):
        global _is_ticking
        due = boardtime.ticks_add(_ticks_ms(), period)
        _running[self._number] = [due, period if mode else 0, callback, self]
        if not _is_ticking:
            _is_ticking = True
            ticker.start(_tick)

    def deinit(self):
        _running.pop(self._number, None)


def is_any():
    return bool(_running)


def _tick(_):
    global _is_busy
    if _is_busy or files.is_busy:
        return
    _is_busy = True
    try:
        for number in list(_running):
            if number in _running:
                _look(number)
    finally:
        _is_busy = False


def _look(number):
    due, period, callback, timer = _running[number]
    if boardtime.ticks_diff(_ticks_ms(), due) < 0:
        return
    if period:
        _running[number][0] = boardtime.ticks_add(_ticks_ms(), period)
    else:
        del _running[number]
    try:
        callback(timer)
    except BaseException as error:
        sys.print_exception(error)
