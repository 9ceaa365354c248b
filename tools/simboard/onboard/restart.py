"""Replaces the process by a new one with the same watchdog: a soft reset."""

import os
import struct
import sys

import boardtime
import bootloader
import facts
import machine
import memory

try:
    import ffi
    import uctypes
except ImportError:
    ffi = None


def soft(is_raw):
    """Slot and clock stay as they are. Does not return."""
    mode = "raw" if is_raw else "friendly"
    command = facts.get("command") + [mode, bootloader.running.label, str(boardtime.time())]
    if ffi:
        memory.close_files()
        _exec(command)
    elif sys.implementation.name != "micropython":
        memory.close_files()
        os.execv(command[0], command)
    memory.end_process(machine.RESET)  # as near as this interpreter gets


def _exec(command):
    texts = [(text + "\0").encode() for text in command]
    addresses = [uctypes.addressof(text) for text in texts] + [0]
    vector = struct.pack("%dP" % len(addresses), *addresses)
    ffi.open("libc.so.6").func("i", "execv", "sp")(command[0], vector)


def end():
    memory.end_process(0)
