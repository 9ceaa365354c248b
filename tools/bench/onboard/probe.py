"""The agent with a watch on every poll(): what it took, and what had been allocated and written by its end.

usage: probe time|bytes PORT_OF_FILE_SERVER BLOCKS_OF_IMAGE. `bytes` collects no garbage until the image is
complete. probe.bin (a record a poll) and traffic.bin are written at the reset, for tools/bench/probe.py.
"""

import builtins
import gc
import socket
import sys
import time
from array import array

import esp32
import ffi


class _Collector:
    """What the device takes for `gc`: phases free nothing while allocations are counted."""

    threshold = gc.threshold

    def collect():
        if gc.isenabled():
            gc.collect()


sys.modules["gc"] = _Collector

# At this level: imports inside imports are deep for a 32-bit stack.
from device import agent, config  # noqa: E402

esp32.erases = bytearray(1024)
esp32.start()
# A record: µs of processor time, µs by the clock, bytes allocated since the first look-up of the file server,
# blocks written.
_FIELDS = 4
_POLLS = 1500
_records = array("i", (0 for _ in range(_FIELDS * _POLLS)))
_counts_bytes = sys.argv[1] == "bytes"
_file_port = int(sys.argv[2])
_blocks = int(sys.argv[3])
_open = builtins.open
_journal_writes = 0
_start = -1  # bytes allocated at that look-up


def _counting_open(path, mode="r"):
    global _journal_writes
    if "journal" in path and "w" in mode:
        _journal_writes += 1
    return _open(path, mode)


def _note_look_up(port):
    global _start
    if port == _file_port and _start < 0:
        if _counts_bytes:
            gc.collect()
            gc.disable()
        _start = gc.mem_alloc()


def _run():
    board = agent.Agent(config.load("ota.json"))
    processor_us = ffi.open("libc.so.6").func("i", "clock", "")
    ticks_us, ticks_diff, mem_alloc = time.ticks_us, time.ticks_diff, gc.mem_alloc
    for at in range(0, len(_records), _FIELDS):
        begun, begun_us = processor_us(), ticks_us()
        try:
            wait_ms = board.poll()
        finally:  # the last one ends in a reset
            _records[at] = processor_us() - begun
            _records[at + 1] = ticks_diff(ticks_us(), begun_us)
            _records[at + 3] = esp32.blocks_written
        if not gc.isenabled():
            _records[at + 2] = mem_alloc() - _start
        if esp32.blocks_written >= _blocks:
            gc.enable()
        time.sleep_ms(wait_ms)


def _save():
    with _open("probe.bin", "wb") as file:
        file.write(_records)
    with _open("traffic.bin", "wb") as file:
        file.write(array("i", (esp32.bytes_read, _journal_writes)))
        file.write(esp32.erases)


socket.on_look_up = _note_look_up
builtins.open = _counting_open
try:
    _run()
finally:
    gc.enable()
    _save()
