"""Stands before MicroPython's frozen `asyncio` and loads it with the host's `time`: the part of it that
is written in C compares ticks with the host's own, so it must not see the board's shifted ones."""

import sys
import time as _board_time

import utime

_path = sys.path[:]
sys.path[:] = [".frozen"]
sys.modules["time"] = utime
del sys.modules["asyncio"]  # this module: else it would be found instead

import asyncio as _frozen  # noqa: E402

sys.path[:] = _path
sys.modules["time"] = _board_time


def __getattr__(name):
    return getattr(_frozen, name)
