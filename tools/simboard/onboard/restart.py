"""Replaces the process by a new one with the same watchdog: a soft reset. MicroPython only."""

import struct

import boardtime
import bootloader
import facts
import ffi
import memory
import uctypes

_FIRST_FILE, _LAST_FILE = 3, 64  # numbers of open files; 0 to 2 are the serial line

_libc = ffi.open("libc.so.6")
_close = _libc.func("i", "close", "i")
_execv = _libc.func("i", "execv", "sp")


def soft(is_raw):
    """Slot and clock stay as they are. Does not return."""
    mode = "raw" if is_raw else "friendly"
    command = facts.get("command") + [mode, bootloader.running.label, str(boardtime.time())]
    texts = [(text + "\0").encode() for text in command]
    addresses = [uctypes.addressof(text) for text in texts] + [0]
    vector = struct.pack("%dP" % len(addresses), *addresses)
    for number in range(_FIRST_FILE, _LAST_FILE):
        _close(number)
    _execv(command[0], vector)
    memory.end_process(127)


def end():
    memory.end_process(0)
