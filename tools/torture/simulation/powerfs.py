"""The file system of the simulation and its power: what one boot leaves in RAM, or on its way to the file
system, is gone in the next."""

import boardtime
import faults
import flash
import network
import sharedmemory

from device import files, log


class PowerCut(BaseException):
    pass


class Reset(BaseException):
    pass


_GONE = PowerCut()


def counts_reads(case):
    """Does this case ask for the number of each read of the flash? Others save the time of counting."""
    return "trace" in case or any(fault[1] == "read_error" for fault in case.get("flash", ()))


class PowerFs:
    """The file system's block device. What is left of a boot cannot touch the flash of the next.

    An error is returned, not raised: MicroPython's LittleFS lets an exception through in the middle of its
    own bookkeeping, and the interpreter may crash at the next garbage collection (a board then resets).
    """

    def __init__(self, sim, region):
        self._sim = sim
        self._boot = sim.boots
        self._region = region
        self._start = region.address
        self._flash = memoryview(flash._memory)

    def _call(self, function, *arguments):
        if self._boot != self._sim.boots or not self._sim.has_power:
            raise _GONE  # made before: a finaliser may come here, and may not allocate
        try:
            return function(*arguments)
        except OSError:
            return -faults.EIO

    def readblocks(self, block, buffer, offset=0):
        """LittleFS reads six thousand times in an update: where nobody counts them, the short way."""
        sim = self._sim
        if sim.watches_reads or sharedmemory.get(sharedmemory.UNSTABLE):
            return self._call(self._region.readblocks, block, buffer, offset)
        if self._boot != sim.boots or not sim.has_power:
            raise _GONE
        start = self._start + block * flash.BLOCK + offset
        buffer[:] = self._flash[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=None):
        return self._call(self._region.writeblocks, block, buffer, offset)

    def ioctl(self, request, argument):
        return self._call(self._region.ioctl, request, argument)


def forget_last_boot():
    """Globals of modules, which a real reset forgets."""
    log._last_ms = boardtime.ticks_ms()
    log._uptime_ms = 0
    files.is_broken = False
    network._joined_to, network._outcome = None, network.STAT_IDLE
