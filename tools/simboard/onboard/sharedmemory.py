"""Shared memory of the simulated board and the host: counters that the host reads, switches that it sets.

A small file mapped into memory by both sides: u32 words, little-endian.
"""

import struct

WIFI_OFF, ERASES, WRITES, BYTES_WRITTEN, BYTES_READ = range(5)
OPERATIONS = 5  # erases and writes, also those that came to nothing
READS = 6
RESET_CAUSE = 7  # of this boot, by the numbers of machine.py
UNSTABLE = 8  # number of the block that reads differently each time, plus 1; 0 = none
LOOKS = 9  # how often something was read from an unstable block
EXECUTING = 10  # the REPL runs code, so that ^C is to interrupt it
INTERRUPT = 11  # ^C was typed
PIN_CHANGES = 12
RETAINED = 13  # what the RTC's memory keeps over a deep sleep: number of the slot that runs, plus 1
WEAR = 16  # from this word on: erase count of each block
WORDS = WEAR + 4096

_memory = None


def attach(memory):
    global _memory
    _memory = memory


def get(word):
    return struct.unpack_from("<I", _memory, 4 * word)[0]


def put(word, value):
    struct.pack_into("<I", _memory, 4 * word, value)


def add(word, amount):
    """Returns what it was before."""
    value = get(word)
    put(word, value + amount)
    return value
