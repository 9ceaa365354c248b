"""`vfs` with what a board with a ROMFS partition has and this port has not: the door for mpremote."""

import partitions
import vfs as _host

LABEL = "romfs"
_COUNT, _SEGMENT = 1, 2  # of MicroPython's extmod/vfs.h


class BoardVfs:
    def __getattr__(self, name):
        return getattr(_host, name)

    def rom_ioctl(self, request, *arguments):
        found = [region for region in partitions.read_table() if region.label == LABEL]
        if request == _COUNT:
            return len(found)
        if request == _SEGMENT and arguments[0] < len(found):
            return found[arguments[0]]
        return -22  # EINVAL
