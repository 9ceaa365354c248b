"""Replaces the process by a new one with the same watchdog: a soft reset. MicroPython only."""

import struct

import boardtime
import bootloader
import facts
import ffi
import memory
import uctypes

_libc = ffi.open("libc.so.6")
_execv = _libc.func("i", "execv", "sp")


def soft(is_raw):
    """Slot and clock stay as they are. Does not return."""
    mode = "raw" if is_raw else "friendly"
    command = facts.get("command") + [mode, bootloader.running.label, str(boardtime.time())]
    texts = [(text + "\0").encode() for text in command]
    addresses = [uctypes.addressof(text) for text in texts] + [0]
    vector = struct.pack("%dP" % len(addresses), *addresses)
    memory.close_files()
    _execv(command[0], vector)
    memory.end_process(127)


def end():
    memory.end_process(0)
