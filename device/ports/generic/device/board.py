"""A board of any port: Wi-Fi, clock and watchdog by the modules that ports have in common, slots by a module
`bootslots` that comes with the board. Stands in for device/board.py; device/PORTING.md says how.

bootslots, from the author of the boot loader:
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


def start():
    wlan = network.WLAN(network.STA_IF if hasattr(network, "STA_IF") else network.WLAN.IF_STA)
    wlan.active(True)
    return wlan, machine.reset, "".join("%02X" % byte for byte in wlan.config("mac"))


def start_watchdog(seconds):
    """Ports that cannot wait so long (rp2: 8.3 s) need a shorter one, fed by a timer in between."""
    return machine.WDT(timeout=seconds * 1000).feed if seconds else None


def reset_cause():
    cause = machine.reset_cause()
    if cause == machine.PWRON_RESET:
        return POWER_LOSS
    return "watchdog" if cause == machine.WDT_RESET else "reset"


def ntp_time(host):
    ntptime.host = host
    return ntptime.time()


def set_clock(moment):
    year, month, day, hour, minute, second, weekday = moment[:7]
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


def chip():
    """Only ESP32 images name one."""
    return None


def running():
    name = bootslots.running()
    return bootslots.device(name), name


def spare():
    return bootslots.device(_spare_name())


def _spare_name():
    for name in bootslots.NAMES:
        if name != bootslots.running():
            return name
    raise errors.OtaError(errors.NO_SLOT, "no second slot")


def set_boot(partition):
    name = _spare_name()
    try:
        bootslots.set_boot(name)
    except OSError as error:
        raise errors.OtaError(errors.HEADER_INVALID, "boot loader refuses: %s" % error)
    if bootslots.next_boot() != name:
        raise errors.OtaError(errors.FLASH, "boot record names %s" % bootslots.next_boot())


def confirm():
    try:
        bootslots.confirm()
    except OSError as error:
        raise errors.OtaError(errors.FLASH, "confirm: %s" % error)
    if not bootslots.is_confirmed():
        raise errors.OtaError(errors.FLASH, "confirm: boot record reads back wrong")
    return True


def can_return():
    return not bootslots.is_confirmed()
