"""A board of any port: Wi-Fi, clock and watchdog by the modules that ports have in common, slots by a module
`bootslots` that comes with the board. Stands in for device/board.py; device/PORTING.md says how.

bootslots, from whoever wrote the boot loader:
  NAMES                 the names of two slots
  running(), next_boot()    the name of one
  device(name)          the slot as a block device with the extended interface of AbstractBlockDev
  set_boot(name)        OSError for an image that cannot boot
  confirm()             the running image stays; until then a reset brings back the one before
  is_confirmed()
"""

import bootslots
import machine
import network
import ntptime

from . import errors

POWER_LOSS = "power loss"


class _Slot:
    """A slot with its name."""

    def __init__(self, name):
        self.name = name
        device = bootslots.device(name)
        self.readblocks = device.readblocks
        self.writeblocks = device.writeblocks
        self.ioctl = device.ioctl


class Board:
    def __init__(self):
        self.wlan = network.WLAN(network.STA_IF if hasattr(network, "STA_IF") else network.WLAN.IF_STA)
        self.wlan.active(True)
        self.running = _Slot(bootslots.running())
        self._watchdog = None

    def mac(self):
        return "".join("%02X" % byte for byte in self.wlan.config("mac"))

    def chip(self):
        """Only ESP32 images name one."""
        return None

    def spare(self):
        for name in bootslots.NAMES:
            if name != self.running.name:
                return _Slot(name)
        raise errors.OtaError(errors.NO_SLOT, "no second slot")

    def confirm(self):
        try:
            bootslots.confirm()
        except OSError as error:
            raise errors.OtaError(errors.FLASH, "confirm: %s" % error)
        if not bootslots.is_confirmed():
            raise errors.OtaError(errors.FLASH, "confirm: boot record reads back wrong")
        return True

    def can_return(self):
        return not bootslots.is_confirmed()

    def set_boot(self, slot):
        try:
            bootslots.set_boot(slot.name)
        except OSError as error:
            raise errors.OtaError(errors.HEADER_INVALID, "boot loader refuses: %s" % error)
        if bootslots.next_boot() != slot.name:
            raise errors.OtaError(errors.FLASH, "boot record names %s" % bootslots.next_boot())

    def reset(self):
        machine.reset()

    def reset_cause(self):
        cause = machine.reset_cause()
        if cause == machine.PWRON_RESET:
            return POWER_LOSS
        return "watchdog" if cause == machine.WDT_RESET else "reset"

    def start_watchdog(self, seconds):
        """Ports that cannot wait so long (rp2: 8.3 s) need a shorter one, fed by a timer in between."""
        self._watchdog = machine.WDT(timeout=seconds * 1000)

    def feed(self):
        if self._watchdog:
            self._watchdog.feed()

    def ntp_time(self, host):
        ntptime.host = host
        return ntptime.time()

    def set_clock(self, moment):
        year, month, day, hour, minute, second, weekday = moment[:7]
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


def label(slot):
    return slot.name
