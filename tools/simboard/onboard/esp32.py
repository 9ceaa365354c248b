"""Shim of `esp32`: Partition over the simulated flash and boot loader."""

import bootloader
import partitions


class Partition:
    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    def __init__(self, which):
        self._region = bootloader.running if which in (0, 1) else _by_label(which)
        self.readblocks = self._region.readblocks
        self.writeblocks = self._region.writeblocks
        self.ioctl = self._region.ioctl

    def info(self):
        region = self._region
        return (region.kind, region.subtype, region.address, region.size, region.label, False)

    def get_next_update(self):
        slots = partitions.app_slots()
        if bootloader.mode == "w80x":
            return Partition(slots[1].label)
        here = [slot.label for slot in slots].index(bootloader.running.label)
        return Partition(slots[(here + 1) % len(slots)].label)

    def set_boot(self):
        bootloader.select(self._region)

    @staticmethod
    def mark_app_valid_cancel_rollback():
        bootloader.mark_valid()


def _by_label(label):
    for region in partitions.read_table():
        if region.label == label:
            return region
    raise OSError(2, "no partition " + str(label))
