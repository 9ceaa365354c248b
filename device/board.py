"""The board: the only importer of network, machine, esp32 and ntptime. Another board = another one
of these, with the same methods."""

import binascii
import errno
import struct
import sys

import machine
import network
import ntptime
from esp32 import Partition
from micropython import const

from . import errors, hooks

# MicroPython raises OSError(-esp_err_t), or an errno where it knows one.
_NO_ROLLBACK = (-261, errno.EOPNOTSUPP)  # ESP_ERR_NOT_FOUND: no otadata; ESP_ERR_NOT_SUPPORTED
POWER_LOSS = "power loss"
_NEVER_UPDATED = const(1)  # ESP_FAIL: no boot record yet, so nothing to confirm
_OTADATA = const(0x00)  # subtype of its partition
_ENTRY_SIZE = const(32)
_VALID = const(2)  # ESP_OTA_IMG_VALID
_REJECTED = (3, 4)  # ESP_OTA_IMG_INVALID, _ABORTED: the boot loader does not look at these
_CHIPS = (  # esp_chip_id_t, the longer names first
    ("ESP32S2", 2),
    ("ESP32S3", 9),
    ("ESP32C2", 12),
    ("ESP32C3", 5),
    ("ESP32C6", 13),
    ("ESP32H2", 16),
    ("ESP32P4", 18),
    ("ESP32", 0),
)


class Board:
    """An ESP32 under MicroPython."""

    def __init__(self):
        self.wlan = network.WLAN(network.STA_IF)
        self.wlan.active(True)
        self.running = Partition(Partition.RUNNING)
        self.feed = hooks.always  # the watchdog, once there is one

    def mac(self):
        """12 upper-case hex digits."""
        return "".join("%02X" % byte for byte in self.wlan.config("mac"))

    def chip(self):
        """ESP chip id of image headers; None if the firmware does not say."""
        name = getattr(sys.implementation, "_machine", "").upper().replace("-", "")
        for chip, number in _CHIPS:
            if name.endswith(chip):
                return number
        return None

    def spare(self):
        """The partition to write to. Raises OtaError(NO_SLOT)."""
        try:
            spare = self.running.get_next_update()
        except OSError:
            spare = None
        if spare is None or label(spare) == label(self.running):
            raise errors.OtaError(errors.NO_SLOT, "no second slot: flash an OTA firmware variant")
        return spare

    def confirm(self):
        """Mark the running image good. Returns False if the boot loader cannot roll back.

        Raises OtaError(FLASH) if the boot record reads back otherwise; the next call then makes it anew.
        """
        try:
            if label(Partition(Partition.BOOT)) != label(self.running):
                self.running.set_boot()  # a call before this one spoilt the record
            Partition.mark_app_valid_cancel_rollback()
            if not self._is_marked_valid():
                raise errors.OtaError(errors.FLASH, "confirm: boot record reads back wrong")
        except OSError as error:
            if error.args[0] in _NO_ROLLBACK:
                return False
            if error.args[0] != _NEVER_UPDATED:
                raise errors.OtaError(errors.FLASH, "confirm: %s" % error)
        return True

    def can_return(self):
        """Would a reset bring back the image before this one? Not once it is marked good."""
        try:
            return not self._is_marked_valid()
        except (OSError, ValueError):  # no otadata
            return False

    def _is_marked_valid(self):
        """Reads the two entries of otadata: u32 sequence, 20 bytes, u32 state, u32 CRC of the sequence."""
        (otadata,) = Partition.find(Partition.TYPE_DATA, _OTADATA)
        entry = bytearray(_ENTRY_SIZE)
        newest = (0, 0)
        for block in (0, 1):
            otadata.readblocks(block, entry, 0)
            sequence, state, crc = struct.unpack("<I20xII", entry)
            if crc == binascii.crc32(entry[:4], 0xFFFFFFFF) and state not in _REJECTED:
                newest = max(newest, (sequence, state))
        return newest[1] == _VALID and label(Partition(Partition.BOOT)) == label(self.running)

    def set_boot(self, partition):
        """The one call that changes what boots. Raises OtaError: HEADER_INVALID if the boot loader does
        not take the image, FLASH if its record reads back wrong."""
        try:
            partition.set_boot()
            selected = label(Partition(Partition.BOOT))
        except OSError as error:
            raise errors.OtaError(errors.HEADER_INVALID, "boot loader refuses: %s" % error)
        if selected != label(partition):
            raise errors.OtaError(errors.FLASH, "boot record still names %s" % selected)

    def reset(self):
        machine.reset()

    def reset_cause(self):
        """Why the board has started: POWER_LOSS, "watchdog" or "reset"."""
        cause = machine.reset_cause()
        if cause == machine.PWRON_RESET:
            return POWER_LOSS
        return "watchdog" if cause == machine.WDT_RESET else "reset"

    def start_watchdog(self, seconds):
        self.feed = machine.WDT(timeout=seconds * 1000).feed

    def ntp_time(self, host):
        """Seconds of the port's epoch, unchecked. Raises OSError and what a bad packet provokes."""
        ntptime.host = host
        return ntptime.time()

    def set_clock(self, moment):
        """moment: what time.gmtime() gives, in UTC."""
        year, month, day, hour, minute, second, weekday = moment[:7]
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


def label(partition):
    """The partition's name in the table."""
    return partition.info()[4]
