"""simboard's Wi-Fi schedule, the causes of its resets, and which slot it would boot next."""

import struct

import bootloader
import esp32
import facts
import flash
import machine
import network
import partitions
import sharedmemory
from check import patched

BLOCK = flash.BLOCK
BLOCKS = 5


def _new_shared_memory():
    sharedmemory.attach(bytearray(4 * (sharedmemory.WEAR + BLOCKS)))


class _Clock:
    """boardtime with hands that the test turns: ms since the boot."""

    _TICKS_MASK = (1 << 30) - 1
    _TICKS_START = (1 << 30) - 4000

    def __init__(self):
        self.ms = 0

    def ticks_ms(self):
        return (self._TICKS_START + self.ms) & self._TICKS_MASK

    def ticks_diff(self, end, start):
        return (end - start) & self._TICKS_MASK


class _Air:
    """Context: a station in reach of its network, but for these drops."""

    def __init__(self, *drops):
        self._clock = _Clock()
        values = {"networks": {"net": "password"}, "wifi_drops": drops}
        self._patches = [patched(network, "time", self._clock), patched(facts, "_values", values)]

    def __enter__(self):
        _new_shared_memory()
        for patch in self._patches:
            patch.__enter__()
        self._wlan = network.WLAN()
        self._wlan.active(True)
        return self

    def __exit__(self, *arguments):
        self._wlan.disconnect()
        for patch in self._patches:
            patch.__exit__(*arguments)

    def join(self, ms):
        """Try it at that time. Returns the status a second later."""
        self._clock.ms = ms
        self._wlan.disconnect()
        self._wlan.connect("net", "password")
        return self.status(ms + 1000)

    def status(self, ms):
        self._clock.ms = ms
        return self._wlan.status()


def test_the_air_is_off_by_schedule():
    with _Air([3000, 2000], [10000, 1]) as air:
        assert air.join(100) == network.STAT_GOT_IP
        assert air.status(2999) == network.STAT_GOT_IP
        assert air.status(3000) == network.STAT_NO_AP_FOUND
        assert not network.is_up()
        assert air.join(3500) == network.STAT_NO_AP_FOUND
        assert air.status(6000) == network.STAT_NO_AP_FOUND
        assert air.join(6100) == network.STAT_GOT_IP


def test_a_drop_between_two_looks_is_a_drop():
    with _Air([3000, 200]) as air:
        assert air.join(100) == network.STAT_GOT_IP
        assert air.status(5000) == network.STAT_NO_AP_FOUND
        assert air.join(5000) == network.STAT_GOT_IP


def test_the_switch_works_beside_the_schedule():
    with _Air() as air:
        assert air.join(0) == network.STAT_GOT_IP
        sharedmemory.put(sharedmemory.WIFI_OFF, 1)
        assert air.status(2000) == network.STAT_NO_AP_FOUND
        assert air.join(2000) == network.STAT_NO_AP_FOUND


def test_the_cause_of_a_reset_stands_in_shared_memory():
    _new_shared_memory()
    for cause in (machine.PWRON_RESET, machine.HARD_RESET, machine.WDT_RESET):
        sharedmemory.put(sharedmemory.RESET_CAUSE, cause)
        assert machine.reset_cause() == cause


class _Slots:
    """Context: a flash with a table in block 0, otadata in 1 and 2, slots of a block each in 3 and 4.

    can_boot: the labels of the slots that hold an image.
    """

    def __init__(self, mode, can_boot):
        self._patches = [
            patched(partitions, "TABLE", 0),
            patched(bootloader, "mode", mode),
            patched(bootloader, "running", None),
            patched(bootloader, "can_boot", lambda region: region.label in can_boot),
        ]

    def __enter__(self):
        memory = bytearray(BLOCKS * BLOCK)
        entries = [(1, 0, 1, 2, b"otadata"), (0, 0x10, 3, 1, b"first"), (0, 0x11, 4, 1, b"second")]
        for index, (kind, subtype, start, blocks, label) in enumerate(entries):
            struct.pack_into(
                "<HBBII16sI", memory, 32 * index,
                0x50AA, kind, subtype, start * BLOCK, blocks * BLOCK, label, 0,
            )  # fmt: skip
        _new_shared_memory()
        flash.attach(memory)
        for patch in self._patches:
            patch.__enter__()

    def __exit__(self, *arguments):
        for patch in self._patches:
            patch.__exit__(*arguments)


def _next_and_now():
    """Labels of the slot that would boot next and of the one that runs."""
    both = (esp32.Partition.BOOT, esp32.Partition.RUNNING)
    return tuple(esp32.Partition(which).info()[4] for which in both)


def test_what_boots_next_is_what_otadata_names():
    with _Slots("idf", ("first", "second")):
        bootloader.choose()
        assert _next_and_now() == ("first", "first")
        for label in ("second", "first", "second"):
            esp32.Partition(label).set_boot()
            assert _next_and_now() == (label, "first")
        bootloader.choose()
        assert _next_and_now() == ("second", "second")  # on probation
        bootloader.choose()
        assert _next_and_now() == ("first", "first")


def test_w80x_boots_the_upgrade_area_if_that_holds_an_image():
    for can_boot, label in (("first", "first"), (("first", "second"), "second")):
        with _Slots("w80x", can_boot):
            bootloader.running = partitions.app_slots()[0]
            assert _next_and_now() == (label, "first")
