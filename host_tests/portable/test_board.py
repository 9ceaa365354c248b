"""The ESP32's board module against doubles of the port: old and new names, slots it must refuse."""

import binascii
import struct

from check import patched, raises_code

from device import board, errors


class _Station:
    def __init__(self, kind):
        self.kind = kind
        self.is_on = False

    def active(self, on):
        self.is_on = on

    def config(self, name):
        return {"mac": b"\x02\x00\xab\xcd\xef\x09"}[name]


class _OldNetwork:
    """Up to 1.23: the constants stand in the module, and WLAN has none."""

    STA_IF = 0
    WLAN = _Station


class _NewStation(_Station):
    IF_STA = 7


class _NewNetwork:
    WLAN = _NewStation


class _Partition:
    BOOT, RUNNING = 0, 1
    next = None

    def __init__(self, which):
        self._info = (0, 16, 0x10000, 0x100000, "ota_0", False)

    def info(self):
        return self._info

    def set_boot(self):
        """Ignored, as by bad flash."""

    def get_next_update(self):
        if _Partition.next is None:
            raise OSError(2)
        return _Partition.next


def _other(label, encrypted=False):
    other = _Partition(1)
    other._info = (0, 17, 0x110000, 0x100000, label, encrypted)
    return other


def _spare(next_slot):
    """What spare() says on a board whose other slot is that."""
    with patched(board, "Partition", _Partition), patched(_Partition, "next", next_slot):
        return board.spare()


def test_the_station_is_found_in_old_and_new_micropython():
    for network, kind in ((_OldNetwork, 0), (_NewNetwork, 7)):
        with patched(board, "network", network):
            wlan, reset, mac = board.start()
        assert wlan.kind == kind and wlan.is_on and mac == "0200ABCDEF09"
        assert reset is board.machine.reset


def test_the_other_slot_is_the_spare_one():
    assert _spare(_other("ota_1")).info()[4] == "ota_1"


def test_the_slot_that_runs_and_its_label():
    with patched(board, "Partition", _Partition):
        partition, label = board.running()
    assert label == "ota_0" == board._label(partition)


def test_no_second_slot():
    raises_code(errors.NO_SLOT, _spare, None)
    raises_code(errors.NO_SLOT, _spare, _other("ota_0"))


def test_an_encrypted_slot_is_refused():
    error = raises_code(errors.NO_SLOT, _spare, _other("ota_1", True))
    assert "encryption" in error.detail


def test_a_boot_record_that_did_not_take_is_told():
    with patched(board, "Partition", _Partition):
        raises_code(errors.FLASH, board.set_boot, _other("ota_1"))
        board.set_boot(_Partition(1))


def test_a_watchdog_is_started_only_where_one_is_wanted():
    class Machine:
        class WDT:
            def __init__(self, timeout):
                self.timeout = timeout

            def feed(self):
                return self.timeout

    with patched(board, "machine", Machine):
        assert board.start_watchdog(0) is None
        assert board.start_watchdog(180)() == 180000


class _Otadata:
    """Of these entries: (sequence, state), with a wrong CRC where the sequence is negative."""

    TYPE_DATA = 1

    def __init__(self, entries):
        self._entries = entries

    def find(self, kind, subtype):
        assert (kind, subtype) == (1, 0)
        return [self] if self._entries else []

    def readblocks(self, block, buffer, offset):
        sequence, state = self._entries[block]
        first = struct.pack("<I", abs(sequence))
        crc = binascii.crc32(first, 0xFFFFFFFF) ^ (sequence < 0)
        buffer[:] = struct.pack("<I20xII", abs(sequence), state, crc)


def test_a_reset_brings_back_the_old_image_only_while_the_new_one_waits():
    new, pending, valid, invalid, aborted, blank = 0, 1, 2, 3, 4, 0xFFFFFFFF
    for entries, expected in (
        (((1, valid), (2, pending)), True),
        (((2, pending), (1, valid)), True),
        (((1, valid), (2, valid)), False),
        (((1, pending), (2, valid)), False),
        (((1, valid), (2, new)), False),
        (((1, valid), (2, aborted)), False),
        (((1, valid), (2, invalid)), False),
        (((1, valid), (-2, pending)), False),
        (((blank, blank), (1, blank)), False),
        ((), False),
    ):
        with patched(board, "Partition", _Otadata(entries)):
            assert board.can_return() is expected, entries


def _chip(machine):
    class Sys:
        class implementation:
            _machine = machine

    with patched(board, "sys", Sys):
        return board.chip()


# Every MICROPY_HW_MCU_NAME of MicroPython's ports/esp32/boards, 1.24 to 1.29, and chips to come.
CHIPS = {
    0: "ESP32 ESP32-PICO-D4 ESP32-PICO-V3 ESP32-PICO-V3-02 ESP32-D2WD ESP32-UNICORE ESP32-D0WD-V3 ESP32-U4WDH"
    " ESP32-S0WD ESP32-WROOM-32E ESP32-MINI-1",
    2: "ESP32S2 ESP32-S2 ESP32-S2FN4R2 ESP32-S2-MINI-2",
    9: "ESP32S3 ESP32-S3 ESP32-S3-FN8 ESP32-S3-PICO-1-N8R2 ESP32-S3-WROOM-1-N16R8 ESP32-S3R8",
    12: "ESP32C2 ESP32-C2",
    5: "ESP32C3 ESP32-C3 ESP32-C3FH4 ESP32-C3-MINI-1",
    23: "ESP32C5 ESP32-C5",
    13: "ESP32C6 ESP32-C6 ESP32-C6FH4 esp32-c6",
    20: "ESP32C61 ESP32-C61 ESP32-C61HF4",
    16: "ESP32H2 ESP32-H2 ESP32-H2FH4S",
    25: "ESP32H21 ESP32-H21",
    28: "ESP32H4 ESP32-H4",
    18: "ESP32P4 ESP32-P4 ESP32-P4NRW32",
    32: "ESP32S31 ESP32-S31",
    None: "ESP32-X9 ESP32-C7 ESP32-C35 ESP32-S32 ESP32-E22 RP2040 ESP8266",
}


def test_the_chip_is_told_by_its_family():
    for number, names in CHIPS.items():
        for name in names.split():
            for machine in ("Some board with %s", "ESP32S2 module with %s", "%s"):
                assert _chip(machine % name) == number, (machine, name)
    assert _chip("") is None
    assert _chip("Raspberry Pi Pico W with RP2040") is None
