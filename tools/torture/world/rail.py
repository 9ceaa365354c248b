"""Power for the file system of the in-process board: what one boot leaves behind cannot write in the next."""

import faults


class PowerCut(BaseException):
    pass


class Reset(BaseException):
    pass


_GONE = PowerCut()


class Rail:
    """The file system's block device. What is left of a boot cannot touch the flash of the next.

    An error is returned, not raised: MicroPython's LittleFS lets an exception through in the middle of its
    own bookkeeping, and the interpreter may crash at the next garbage collection (a board then resets).
    """

    def __init__(self, world, region):
        self._world = world
        self._boot = world.boots
        self._region = region

    def _call(self, function, *arguments):
        if self._boot != self._world.boots or not self._world.has_power:
            raise _GONE  # made before: a finaliser may come here, and may not allocate
        try:
            return function(*arguments)
        except OSError:
            return -faults.EIO

    def readblocks(self, block, buffer, offset=0):
        return self._call(self._region.readblocks, block, buffer, offset)

    def writeblocks(self, block, buffer, offset=None):
        return self._call(self._region.writeblocks, block, buffer, offset)

    def ioctl(self, request, argument):
        return self._call(self._region.ioctl, request, argument)
