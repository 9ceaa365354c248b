"""Maps a file of the host into memory, outside the garbage-collected heap, as flash is on a board."""

import sys

import boardtime

_PROT_READ_WRITE = 3
_MAP_SHARED = 1
_FIRST_FILE, _LAST_FILE = 3, 64  # numbers of open files; 0 to 2 are the console

try:
    import ffi
except ImportError:
    ffi = None  # CPython, or a MicroPython without it

if ffi:
    import uctypes

    _libc = ffi.open("libc.so.6")
    _open = _libc.func("i", "open", "si")
    _mmap = _libc.func("p", "mmap", "piiiii")
    _exit = _libc.func("v", "_exit", "i")
    _alarm = _libc.func("i", "alarm", "i")
    _close = _libc.func("i", "close", "i")

    def close_files():
        """All but the console: what is mapped stays mapped."""
        for number in range(_FIRST_FILE, _LAST_FILE):
            _close(number)

    def map_file(path, size):
        """A writable bytearray over the file; every change is in the file at once."""
        descriptor = _open(path, 2)
        if descriptor < 0:
            raise OSError(2, path)
        address = _mmap(0, size, _PROT_READ_WRITE, _MAP_SHARED, descriptor, 0)
        return uctypes.bytearray_at(address, size)

elif sys.implementation.name == "micropython":
    # ../without_ffi.py has mapped the files and looks at a page in which it is told what else to do.
    import os
    import struct
    import time

    import uctypes

    _END, _ALARMS, _SECONDS, _SLEEP_MS = 0, 4, 8, 12

    def _address(path):
        for entry in os.getenv("OTA_HOST_ADDRESSES").split(":"):
            name, _, address = entry.rpartition("=")
            if name == path:
                return int(address)
        raise OSError(2, path)

    def _page():
        return uctypes.bytearray_at(_address(""), 16)

    def map_file(path, size):
        return uctypes.bytearray_at(_address(path), size)

    def sleep_and_end(ms, code):
        """The host ends this process first, and with it all connections."""
        struct.pack_into("<I", _page(), _SLEEP_MS, ms)
        _exit(code)

    def _exit(code):
        struct.pack_into("<I", _page(), _END, code + 1)
        while True:
            time.sleep(1)

    def _alarm(seconds):
        page = _page()
        struct.pack_into("<I", page, _SECONDS, seconds)
        struct.pack_into("<I", page, _ALARMS, struct.unpack_from("<I", page, _ALARMS)[0] + 1)

else:
    import mmap
    import os
    import signal

    _exit = os._exit
    _alarm = signal.alarm

    def close_files():
        os.closerange(_FIRST_FILE, _LAST_FILE)

    def map_file(path, size):
        with open(path, "r+b") as file:
            return memoryview(mmap.mmap(file.fileno(), size))


if ffi or sys.implementation.name != "micropython":

    def sleep_and_end(ms, code):
        """No connection outlives the beginning."""
        close_files()
        boardtime.sleep_ms(ms)
        _exit(code)


def end_process(code):
    """As a reset does: at once, nothing is flushed or closed."""
    _exit(code)


def kill_process_after(seconds):
    """Ask the host's kernel to kill this process: what a watchdog does. Each call starts anew, 0 stops it."""
    _alarm(seconds)
