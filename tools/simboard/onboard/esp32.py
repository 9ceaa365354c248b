"""Shim of `esp32`: Partition over the simulated flash and boot loader."""

import bootloader
import facts
import partitions

if facts.get("boot_mode") == "generic":
    raise ImportError("no module named 'esp32'")

HEAP_DATA = 4
# About what a stock ESP32 without PSRAM has once Wi-Fi is on: bytes, free, largest free piece, least free.
_REGIONS = (
    (240, 4, 0, 4),
    (7288, 204, 160, 52),
    (16648, 1500, 1408, 900),
    (86184, 4300, 4096, 4300),
    (15072, 13400, 13312, 13400),
    (113840, 91500, 90112, 80032),
)


def idf_heap_info(capabilities):
    """These figures or those of the board's facts, whatever runs: no memory of ESP-IDF is simulated here."""
    return [tuple(region) for region in facts.get("idf_heap", _REGIONS)]


class Partition:
    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    def __init__(self, which):
        self._region = _find(which)
        self.readblocks = self._region.readblocks
        self.writeblocks = self._region.writeblocks
        self.ioctl = self._region.ioctl

    @staticmethod
    def find(type=TYPE_APP, subtype=0xFF, label=None):
        """The partitions that fit; subtype 0xFF = any."""
        return [
            Partition(region.label)
            for region in partitions.read_table()
            if region.kind == type
            and subtype in (0xFF, region.subtype)
            and label in (None, region.label)
        ]

    def info(self):
        region = self._region
        return (region.kind, region.subtype, region.address, region.size, region.label, False)

    def get_next_update(self):
        slots = partitions.app_slots()
        if bootloader.mode == "w80x":
            return Partition(slots[1].label)
        if len(slots) == 1:
            raise OSError(2)
        here = [slot.label for slot in slots].index(bootloader.running.label)
        return Partition(slots[(here + 1) % len(slots)].label)

    def set_boot(self):
        bootloader.select(self._region)

    @staticmethod
    def mark_app_valid_cancel_rollback():
        bootloader.mark_valid()


def _find(which):
    """which: BOOT, RUNNING or a label."""
    if which == Partition.BOOT:
        return bootloader.next_boot()
    if which == Partition.RUNNING:
        return bootloader.running
    for region in partitions.read_table():
        if region.label == which:
            return region
    raise OSError(2, "no partition " + str(which))
