"""Maps a file of the host into memory, outside the garbage-collected heap, as flash is on a board."""

import sys

_PROT_READ_WRITE = 3
_MAP_SHARED = 1
_FIRST_FILE, _LAST_FILE = 3, 64  # numbers of open files; 0 to 2 are the console

if sys.implementation.name == "micropython":
    import ffi
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


def end_process(code):
    """As a reset does: at once, nothing is flushed or closed."""
    _exit(code)


def kill_process_after(seconds):
    """Ask the host's kernel to kill this process: what a watchdog does. Each call starts anew, 0 stops it."""
    _alarm(seconds)
