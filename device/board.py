"""The board, an ESP32: the only importer of network, esp32 and ntptime, and with guard.py of machine.

Another board = another one of these files, with the same functions.
"""

import binascii
import errno
import struct
import sys

import machine
import network
import ntptime
from esp32 import Partition
from micropython import const

from . import errors

# MicroPython raises OSError(-esp_err_t), or an errno where it knows one.
_NO_ROLLBACK = (-261, errno.EOPNOTSUPP)  # ESP_ERR_NOT_FOUND: no otadata; ESP_ERR_NOT_SUPPORTED
POWER_LOSS = "power loss"
_NEVER_UPDATED = const(1)  # ESP_FAIL: no boot record yet, so nothing to confirm
_OTADATA = const(0x00)  # subtype of its partition
_ENTRY_SIZE = const(32)
_PENDING = const(1)  # ESP_OTA_IMG_PENDING_VERIFY: started, and to be confirmed before the next reset
_VALID = const(2)  # ESP_OTA_IMG_VALID
_REJECTED = (3, 4)  # ESP_OTA_IMG_INVALID, _ABORTED: the boot loader does not look at these
# Families of chips, and the esp_chip_id_t of each. ESP32-D2WD, -D0WD, -S0WD and -U4WDH are ESP32s.
_FAMILIES = "C2 C3 C5 C6 C61 H2 H21 H4 P4 S2 S3 S31 D0 D2 S0 U4"
_CHIP_IDS = b"\x0c\x05\x17\x0d\x14\x10\x19\x1c\x12\x02\x09\x20\0\0\0\0"


def start():
    """Switch the radio on: (the station, a `network.WLAN`; what restarts the board; its MAC, 12 upper-case
    hex digits)."""
    # MicroPython 1.24 moved the constant into the class.
    wlan = network.WLAN(network.STA_IF if hasattr(network, "STA_IF") else network.WLAN.IF_STA)
    wlan.active(True)
    return wlan, machine.reset, "".join("%02X" % byte for byte in wlan.config("mac"))


def start_watchdog(seconds):
    """What feeds it; None without one (0 s)."""
    return machine.WDT(timeout=seconds * 1000).feed if seconds else None


def reset_cause():
    """Why the board has started: POWER_LOSS, "watchdog" or "reset"."""
    cause = machine.reset_cause()
    if cause == machine.PWRON_RESET:
        return POWER_LOSS
    return "watchdog" if cause == machine.WDT_RESET else "reset"


def ntp_time(host):
    """Seconds of the port's epoch, unchecked. Raises OSError and what a bad packet provokes."""
    ntptime.host = host
    return ntptime.time()


def set_clock(moment):
    """moment: what time.gmtime() gives, in UTC."""
    year, month, day, hour, minute, second, weekday = moment[:7]
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


def chip():
    """ESP chip id of image headers, by the family: the letter behind "ESP32-" and all digits behind that, as
    in ESP32-C3FH4; ESP32-PICO-D4 is an ESP32. None if the firmware does not say, or it is a family
    unknown here."""
    name = getattr(sys.implementation, "_machine", "").upper().split(" WITH ")[-1]
    _, found, rest = name.partition("ESP32")
    family = rest.lstrip("-")
    end = 1
    while family[end : end + 1].isdigit():
        end += 1
    if end > 1:
        return dict(zip(_FAMILIES.split(), _CHIP_IDS)).get(family[:end])
    return 0 if found else None


def running():
    """(the partition that runs, its label)."""
    partition = Partition(Partition.RUNNING)
    return partition, _label(partition)


def _label(partition):
    """The partition's name in the table."""
    return partition.info()[4]


def spare():
    """The partition to write to. Raises OtaError(NO_SLOT)."""
    partition, own = running()
    try:
        found = partition.get_next_update()
    except OSError:
        found = None
    if found is None or _label(found) == own:
        raise errors.OtaError(errors.NO_SLOT, "no second slot: flash an OTA firmware variant")
    if found.info()[5]:
        # The 64 bytes held back, written as 0xFF, are not 0xFF in an encrypted flash.
        raise errors.OtaError(errors.NO_SLOT, "flash encryption is not supported")
    return found


def set_boot(partition):
    """The one call that chooses another image to boot. Raises OtaError: HEADER_INVALID if the boot loader
    does not take the image, FLASH if its record reads back wrong."""
    try:
        partition.set_boot()
        selected = _label(Partition(Partition.BOOT))
    except OSError as error:
        raise errors.OtaError(errors.HEADER_INVALID, "boot loader refuses: %s" % error)
    if selected != _label(partition):
        raise errors.OtaError(errors.FLASH, "boot record still names %s" % selected)


def confirm():
    """Mark the running image good. Returns False if the boot loader cannot roll back.

    Raises OtaError(FLASH) if the boot record reads back otherwise; the next call then makes it anew.
    """
    try:
        partition, own = running()
        if _label(Partition(Partition.BOOT)) != own:
            partition.set_boot()  # a call before this one spoilt the record
        Partition.mark_app_valid_cancel_rollback()
        if not _is_marked_valid():
            raise errors.OtaError(errors.FLASH, "confirm: boot record reads back wrong")
    except OSError as error:
        if error.args[0] in _NO_ROLLBACK:
            return False
        if error.args[0] != _NEVER_UPDATED:
            raise errors.OtaError(errors.FLASH, "confirm: %s" % error)
    return True


def can_return():
    """Would a reset bring back the image before this one? Not once it is marked good."""
    try:
        return _state() == _PENDING
    except (OSError, ValueError):  # no otadata
        return False


def _is_marked_valid():
    return _state() == _VALID and _label(Partition(Partition.BOOT)) == running()[1]


def _state():
    """Of the newer entry of otadata; an entry: u32 sequence, 20 bytes, u32 state, u32 CRC of the sequence."""
    (otadata,) = Partition.find(Partition.TYPE_DATA, _OTADATA)
    entry = bytearray(_ENTRY_SIZE)
    newest = (0, 0)
    for block in (0, 1):
        otadata.readblocks(block, entry, 0)
        sequence, state, crc = struct.unpack("<I20xII", entry)
        if crc == binascii.crc32(entry[:4], 0xFFFFFFFF) and state not in _REJECTED:
            newest = max(newest, (sequence, state))
    return newest[1]
