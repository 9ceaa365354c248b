"""What a board of the generic port brings along (device/ports/generic): slots of blocks twice as large as an
ESP32's, and the boot choice. Behind it works the boot loader's mode "generic"."""

import bootloader
import partitions

NAMES = tuple(slot.label for slot in partitions.app_slots())
_SECTORS = 2  # to a block


def running():
    return bootloader.running.label


def next_boot():
    return bootloader.next_boot().label


def device(name):
    return _Device(_region(name))


def set_boot(name):
    bootloader.select(_region(name))


def confirm():
    try:
        bootloader.mark_valid()
    except OSError as error:
        if error.args[0] != 1:  # it was never updated: nothing to confirm
            raise


def is_confirmed():
    return bootloader.is_valid()


def _region(name):
    (region,) = [slot for slot in partitions.app_slots() if slot.label == name]
    return region


class _Device:
    """The extended interface of AbstractBlockDev."""

    def __init__(self, region):
        self._region = region

    def readblocks(self, block, buffer, offset=0):
        self._region.readblocks(_SECTORS * block, buffer, offset)

    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            self._region.writeblocks(_SECTORS * block, buffer)
        else:
            self._region.writeblocks(_SECTORS * block, buffer, offset)

    def ioctl(self, request, argument):
        if request == 4:
            return self._region.ioctl(4, 0) // _SECTORS
        if request == 5:
            return self._region.ioctl(5, 0) * _SECTORS
        if request == 6:
            for sector in range(_SECTORS * argument, _SECTORS * (argument + 1)):
                self._region.ioctl(6, sector)
        return 0
