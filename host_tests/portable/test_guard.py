"""device.guard: an image on trial, against doubles of the board: whatever main.py does ends in a restart."""

import builtins
import os
import sys

from check import MICROPYTHON, patched, raises, settings

from device import errors, guard

LIMITS = {
    "trial_limit_s": 9, "watchdog_s": 7,
    "mqtt_timeout_s": 3, "subscribe_timeout_s": 2, "publish_timeout_s": 1,
}  # fmt: skip
PROMPT = "raise KeyboardInterrupt\n"  # somebody is there; the trial goes on
STEPS = 9 + 3 + 2 + 1  # seconds until it is over


class _Restart(BaseException):
    pass


class _Timer:
    def __init__(self, machine, number, period, callback):
        assert period == 1000
        self.number, self.callback, self.is_on = number, callback, True

    def deinit(self):
        self.is_on = False


class _Machine:
    """numbers: of the timers it has. longest_ms: that its watchdog can wait."""

    DEEPSLEEP_RESET, SOFT_RESET = 4, 5

    def __init__(self, cause=1, numbers=(-1, 0, 1, 2, 3), longest_ms=1 << 30):
        self._cause, self._numbers, self._longest_ms = cause, numbers, longest_ms
        self.timer = None
        self.watchdogs = []

    def reset_cause(self):
        return self._cause

    def reset(self):
        raise _Restart

    def Timer(self, number, period, callback):
        if number not in self._numbers:
            raise ValueError("no such timer")
        self.timer = _Timer(self, number, period, callback)
        return self.timer

    def WDT(self, timeout):
        if timeout > self._longest_ms:
            raise ValueError("too long")
        self.watchdogs.append(timeout)


class _Start:
    """Context: a start of the image. source: of main.py, which knows this object as `started`; None = there
    is no main.py. load: what config.load() does."""

    def __init__(self, source="pass\n", machine=None, load=None):
        self.machine = machine or _Machine()
        self.seen = []
        self._source = source
        self._load = load or (lambda path: settings(**LIMITS))
        self._patches = [
            patched(guard, "machine", self.machine), patched(guard.config, "load", self._load),
            patched(guard, "_is_on_trial", True), patched(guard, "_timer", None),
            patched(guard, "_left_s", guard._left_s), patched(guard, "_watchdog_ms", 0),
            patched(guard, "_reserve", None),
        ]  # fmt: skip
        if not MICROPYTHON:
            builtins.execfile = _execfile

    def __enter__(self):
        guard.reserve_cause()
        builtins.started = self
        if self._source is not None:
            with open("main.py", "w") as file:
                file.write(self._source)
        for patch in self._patches:
            patch.__enter__()
        return self

    def __exit__(self, *_):
        for patch in self._patches:
            patch.__exit__()
        del builtins.started
        for name in ("main.py", "ota_cause"):
            try:
                os.remove(name)
            except OSError:
                pass

    def step(self, count=1):
        for _ in range(count):
            self.machine.timer.callback(self.machine.timer)


def _execfile(path, names):
    with open(path) as file:
        exec(compile(file.read(), path, "exec"), names)


def _told(source, **options):
    """The cause that is left behind when this main.py has restarted the board."""
    with _Start(source, **options):
        raises(_Restart, guard.start)
        return guard.take_cause()


def test_what_escapes_from_main_is_the_cause():
    assert "no_such_module" in _told("import no_such_module\n")
    assert _told("raise ValueError('of no use')\n") == "ValueError: of no use"
    assert _told("def f(:\n").startswith("SyntaxError: ")
    assert _told("raise SystemExit\n").startswith("SystemExit")
    assert _told("raise BaseException('below')\n") == "BaseException: below"
    assert "ENOENT" in _told(None) or "No such file" in _told(None)


def test_a_main_that_ends_is_one_that_failed():
    assert _told("pass\n") == "main.py has ended"


def test_only_the_last_line_is_told_and_no_more_than_a_part_of_it():
    assert _told("raise ValueError('first\\n' + 'x' * 5000)\n") == "x" * 100


def test_an_exception_without_a_text_is_told_by_its_name():
    source = "class Odd(Exception):\n    def __str__(self):\n        return 1 // 0\n\n\nraise Odd\n"
    assert _told(source) == "Odd"


def test_main_runs_as_it_does_after_boot():
    with _Start("started.seen.append(__name__)\n") as made:
        raises(_Restart, guard.start)
        assert made.seen == ["__main__"]


def test_what_main_holds_is_let_go_before_the_cause_is_noted():
    with _Start("held = [1]\nstarted.seen.append(globals())\n1 // 0\n") as made:
        raises(_Restart, guard.start)
        assert made.seen == [{}] and guard._reserve is None


def test_the_board_restarts_even_if_nothing_can_be_noted():
    def fails(text):
        raise MemoryError

    with _Start("1 // 0\n"), patched(guard, "note_cause", fails):
        raises(_Restart, guard.start)


def test_timer_and_watchdog_run_before_main_does():
    source = "made = started.machine\nstarted.seen.append((made.timer.number, made.watchdogs[:]))\n"
    with _Start(source) as made:
        raises(_Restart, guard.start)
        assert made.seen == [(-1, [7000])]


def test_each_step_sets_the_watchdog_until_the_time_is_over():
    with _Start(PROMPT) as made:
        raises(KeyboardInterrupt, guard.start)
        made.step(STEPS)
        assert made.machine.watchdogs == [7000] * (STEPS + 1)
        raises(_Restart, made.step)
        assert guard.take_cause() == "still not confirmed after its time"


def test_without_watchdog_the_timer_counts():
    with _Start(PROMPT, load=lambda path: settings(**dict(LIMITS, watchdog_s=0))) as made:
        raises(KeyboardInterrupt, guard.start)
        made.step(STEPS)
        assert made.machine.watchdogs == []
        raises(_Restart, made.step)


def test_an_agent_feeds_the_watchdog_itself():
    with _Start(PROMPT) as made:
        raises(KeyboardInterrupt, guard.start)
        guard.leave_feeding()
        made.step(STEPS)
        assert made.machine.watchdogs == [7000]
        raises(_Restart, made.step)


def test_a_configuration_that_cannot_be_read_takes_nothing_away():
    def fails(path):
        raise errors.OtaError(errors.INVALID_PARAM, "bad")

    with _Start(PROMPT, load=fails) as made:
        raises(KeyboardInterrupt, guard.start)
        assert made.machine.watchdogs == [180_000]
        made.step(660)
        raises(_Restart, made.step)


def test_a_watchdog_that_cannot_wait_so_long_is_left_alone():
    with _Start(PROMPT, machine=_Machine(longest_ms=2000)) as made:
        raises(KeyboardInterrupt, guard.start)
        made.step(STEPS)
        raises(_Restart, made.step)


def test_the_timer_that_programs_choose_last_is_taken():
    for numbers, chosen in (((0, 1, 2, 3), 3), ((0, 1), 1), ((0,), 0)):
        with _Start(PROMPT, machine=_Machine(numbers=numbers)) as made:
            raises(KeyboardInterrupt, guard.start)
            assert made.machine.timer.number == chosen


def test_without_a_timer_main_is_guarded_all_the_same():
    assert _told("1 // 0\n", machine=_Machine(numbers=())).startswith("ZeroDivisionError")


def test_once_confirmed_it_is_over():
    """What main does then is no more than it would be without: but it is not run again."""
    for source, expected in (
        ("guard.end()\n1 // 0\n", ZeroDivisionError), ("guard.end()\n", RuntimeError),
        ("guard.end()\nraise SystemExit\n", SystemExit),
    ):  # fmt: skip
        with _Start("from device import guard\n" + source) as made:
            raises(expected, guard.start)
            watchdogs = len(made.machine.watchdogs)
            made.step()
            assert not made.machine.timer.is_on and len(made.machine.watchdogs) == watchdogs
            assert guard.take_cause() == ""


def test_a_deep_sleep_on_trial_is_its_end():
    assert _told("started.seen.append(1)\n", machine=_Machine(cause=4)) == "deep sleep on trial"


def test_after_a_soft_reset_main_is_left_to_micropython():
    """Somebody at the prompt: tools that come in by the raw mode want no main.py."""
    with _Start("started.seen.append(1)\n", machine=_Machine(cause=5)) as made:
        guard.start()
        assert made.seen == [] and made.machine.watchdogs == []
        made.step(660)
        raises(_Restart, made.step)


def _load_frozen(has_agent, fails):
    """What guard's __import__ finds in the firmware: a main.py."""

    def load(name):
        assert name == "main" and sys.path[0] == ".frozen" and sys.path[1:]
        sys.modules["main"] = guard
        if has_agent:
            sys.modules["device.agent"] = guard
        if fails:
            raise ValueError("of main")

    return load


def test_a_main_in_the_firmware_runs_in_its_place():
    """One that has made no agent may ask for its name: MicroPython runs it once more then."""
    agent = sys.modules.pop("device.agent", None)
    before = sys.path[:]
    for has_agent, fails, told in (
        (False, True, "ValueError: of main"), (True, False, "main.py has ended"), (False, False, ""),
    ):  # fmt: skip
        with _Start() as made, patched(guard, "_is_frozen", lambda name: True):
            guard.__import__ = _load_frozen(has_agent, fails)
            try:
                if told:
                    raises(_Restart, guard.start)
                else:
                    guard.start()
                    assert "main" not in sys.modules
            finally:
                del guard.__import__
                sys.modules.pop("main", None)
                sys.modules.pop("device.agent", None)
            assert sys.path == before and guard.take_cause() == told and made.machine.timer.is_on
    if agent:
        sys.modules["device.agent"] = agent


def test_what_is_frozen_is_found_and_not_run():
    before = sys.path[:], list(sys.modules)
    assert not guard._is_frozen("no_such_module")
    assert (sys.path, list(sys.modules)) == before
    if ".frozen" in sys.path and "asyncio" not in sys.modules:
        guard._is_frozen("asyncio")
        assert "asyncio" not in sys.modules and sys.path == before[0]
