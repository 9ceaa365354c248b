"""Shim of `machine`: reset and watchdog end the process, the RTC sets the shim clock."""

import boardtime as time
import facts
import memory
import sharedmemory

RESET = 42  # exit code by which the host knows a reset from a crash
PANIC = 43
SLEPT = 46

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = range(1, 6)

is_soft = False  # a soft reset came before this start


def reset():
    memory.end_process(RESET)


def __getattr__(name):
    """`Timer` is loaded where one is made: tests inside a small heap make none."""
    if name != "Timer":
        raise AttributeError(name)
    import timers

    return timers.Timer


def soft_reset():
    raise SystemExit


def deepsleep(ms):
    """Nothing is kept but what flash and shared memory hold; connections end, the watchdog stands still."""
    print("board: deep sleep for %d ms" % ms)
    memory.kill_process_after(0)
    memory.sleep_and_end(ms, SLEPT)


def reset_cause():
    """As on ESP32, where machine.reset() and a panic are both HARD_RESET."""
    return SOFT_RESET if is_soft else sharedmemory.get(sharedmemory.RESET_CAUSE)


def unique_id():
    return bytes.fromhex(facts.get("mac"))


class Pin:
    IN, OUT = 1, 3

    def __init__(self, number, mode=IN):
        self._level = 0

    def value(self, level=None):
        """Changes of all pins are counted on the sharedmemory."""
        if level is None:
            return self._level
        sharedmemory.add(sharedmemory.PIN_CHANGES, self._level != int(level))
        self._level = int(level)


class WDT:
    """The process is killed by a signal if it is not fed. Like the real one it cannot be stopped; making
    another sets the same one anew."""

    seconds = 0  # 0 = it does not run

    def __init__(self, id=0, timeout=5000):
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        WDT.seconds = (timeout + 999) // 1000
        self.feed()

    def feed(self):
        memory.kill_process_after(WDT.seconds)


class RTC:
    def datetime(self, moment):
        """(year, month, day, weekday, hour, minute, second, subsecond), UTC."""
        year, month, day, _, hour, minute, second, _ = moment
        time.set_time(time.mktime((year, month, day, hour, minute, second, 0, 0, 0)))
