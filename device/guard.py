"""Guards an image on trial, from the first line of boot.py: whatever main.py does then ends in a restart.

So the old image is back, unless the new one has been confirmed before.

The hardware watchdog runs, and a timer renews it, also after an application has set it otherwise, until an
agent feeds it. The timer counts the seconds of the trial and restarts the board some time after its limit.
And main.py is run from here, so that its end is seen and reported. boot.py loads it on trial only; then it
stays until the restart.

Why the trial has ended is noted in a small file, for the old image to report. Not in the record of the trial,
because who notes it may have no memory and no room left: the file is there before the trial begins, and one
this short is rewritten in place, which a full LittleFS can do.
"""

import gc
import sys

import machine
import micropython
from micropython import const

from . import config, files

_STEP_MS = const(1000)
_LIMIT_S, _WATCHDOG_S = const(660), const(180)  # where the configuration cannot be read
_TIMERS = (-1, 3, 1, 0)  # a virtual one where there is one; else the number that programs choose last
_RESERVE = const(1024)  # bytes: to note the cause when the application has taken all memory
_LONGEST = const(100)  # characters of a cause
_PATH = "ota_cause"
_SIZE = const(120)  # bytes, always: LittleFS keeps files of up to 128 beside their names

_is_on_trial = True
_timer = None  # a virtual one ends when nobody has it
_left_s = _LIMIT_S
_watchdog_ms = 0  # what it is set to with each step; 0 = it is left alone
_reserve = None


def start():
    """Called by boot.py. Returns where main.py is MicroPython's to run."""
    global _reserve
    why = machine.reset_cause()
    if why == getattr(machine, "DEEPSLEEP_RESET", None):  # the boot loader does not look at a trial then
        give_up("deep sleep on trial")
    _reserve = bytearray(_RESERVE)
    _start_timer()
    if why != getattr(machine, "SOFT_RESET", None):  # that is somebody at the prompt, who may want no main.py
        _start_watchdog()
        _run()


def leave_feeding():
    """An agent feeds the watchdog from now on: if it is polled no more, the watchdog bites."""
    global _watchdog_ms
    _watchdog_ms = 0


def end():
    """The image is confirmed. The timer ends itself: its number may be the application's by now."""
    global _is_on_trial, _reserve
    _is_on_trial = False
    _reserve = None


def give_up(text):
    """Note why, and restart, whatever happens."""
    global _reserve
    _reserve = None
    try:
        gc.collect()
        note_cause(text)
    finally:
        machine.reset()


def _start_timer():
    global _timer
    for number in _TIMERS:
        try:
            _timer = machine.Timer(number, period=_STEP_MS, callback=_step)
            return
        except (AttributeError, OSError, TypeError, ValueError):
            pass


def _start_watchdog():
    """After the timer, which ends the trial even if this does not come to an end."""
    global _left_s, _watchdog_ms
    watchdog_s = _WATCHDOG_S
    try:
        settings = config.load("ota.json")
        watchdog_s = settings.watchdog_s
        # After the agent, which has the better reason to give up, and may be in its longest step.
        margin_s = settings.mqtt_timeout_s + settings.subscribe_timeout_s + settings.publish_timeout_s
        _left_s = settings.trial_limit_s + margin_s
    except Exception as error:  # an agent cannot start with it either
        sys.print_exception(error)
    _watchdog_ms = watchdog_s * 1000
    _renew()


def _step(timer):
    """Once a second, between two bytecodes of whatever runs."""
    global _left_s
    if not _is_on_trial:
        return timer.deinit()
    _left_s -= 1
    if _left_s < 0:
        give_up("still not confirmed after its time")
    _renew()


def _renew():
    if _watchdog_ms:
        try:
            machine.WDT(timeout=_watchdog_ms)
        except (OSError, ValueError):  # longer than it can wait
            leave_feeding()


def _run():
    """main.py, as MicroPython runs it after boot.py. What ends it once the image is confirmed goes on."""
    names = {"__name__": "__main__"}
    path = sys.path[:]
    error = None
    try:
        if _is_frozen("main"):
            sys.path[:] = [".frozen"] + path
            __import__("main")
            if "device.agent" not in sys.modules:  # it may have asked for __name__: once more, by MicroPython
                del sys.modules["main"]
                return
        else:
            execfile("main.py", names)  # noqa: F821
    except KeyboardInterrupt:  # somebody is there
        raise
    except BaseException as found:
        if not _is_on_trial:
            raise
        error = found
    finally:
        sys.path[:] = path
    if not _is_on_trial:
        raise RuntimeError("main.py has ended")  # or MicroPython would run it again
    names.clear()  # with all that it has filled the memory with
    give_up(_last_line(error) if error else "main.py has ended")


def _is_frozen(name):
    """Is there such a module in the firmware? Without memory one can be found, but not loaded."""
    path = sys.path[:]
    sys.path[:] = [".frozen"]
    micropython.heap_lock()
    try:
        __import__(name)
    except MemoryError:
        return True
    except ImportError:
        return False
    finally:
        micropython.heap_unlock()
        sys.path[:] = path
        sys.modules.pop(name, None)


def _last_line(error):
    """Of the traceback, which goes to the console."""
    global _reserve
    _reserve = None
    gc.collect()
    name = type(error).__name__
    try:
        sys.print_exception(error)
        return ("%s: %s" % (name, error)).split("\n")[-1][:_LONGEST]
    except Exception:  # no memory even so, or its own text fails
        return name


def reserve_cause():
    """At each start, so that the file is there when it is needed. Without it a cause may not be
    reported, which costs nothing else."""
    try:
        files.read(_PATH, _SIZE)
    except OSError:
        note_cause("")


def note_cause(text):
    """text: of any length; what is not printable ASCII becomes "?"."""
    line = bytes(ord(c) if 32 <= ord(c) < 127 else 63 for c in text[:_SIZE])
    try:
        files.write(_PATH, line + b" " * (_SIZE - len(line)))
    except OSError:
        pass


def take_cause():
    """What was noted, once; "" if nothing was."""
    try:
        text = "".join(chr(byte) for byte in files.read(_PATH, _SIZE) if 32 <= byte < 127).rstrip()
    except OSError:
        return ""
    if text:
        note_cause("")
    return text
