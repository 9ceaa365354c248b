"""Maps a ROMFS outside the garbage-collected heap, as a board's flash is, and runs a module of it.

usage: micropython -m boot ROMFS_FILE SIZE MODULE [arguments of the module]
"""

import gc
import sys

import ffi
import uctypes
import vfs


def mount(path, size):
    libc = ffi.open("libc.so.6")
    descriptor = libc.func("i", "open", "si")(path, 0)
    address = libc.func("p", "mmap", "piiiii")(0, size, 1, 2, descriptor, 0)  # readable, private
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(address, size)), "/rom")


mount(sys.argv[1], int(sys.argv[2]))
sys.path[:] = ["/rom", "", ".frozen"]
del sys.argv[:3], mount
gc.collect()
__import__(sys.argv[0])
