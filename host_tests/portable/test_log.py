"""device.log: the form of a line, and time past the wrap of the tick counter."""

from check import patched, recorded_log
from faketime import FakeTime

from device import log


def test_form_of_a_line():
    with FakeTime() as clock, patched(log, "_last_ms", 0), patched(log, "_uptime_ms", 0):
        log._last_ms = log.time.ticks_ms()
        clock.advance(12345)
        with recorded_log() as lines:
            log.debug("a")
            log.info("b %d")
            log.warning("c")
            log.error("\u5347\u7ea7")
    assert lines == [
        "D/ota [12.345] a",
        "I/ota [12.345] b %d",
        "W/ota [12.345] c",
        "E/ota [12.345] \u5347\u7ea7",
    ]


def test_uptime_passes_many_wraps():
    day_ms = 86400000
    with FakeTime() as clock, patched(log, "_last_ms", 0), patched(log, "_uptime_ms", 0):
        log._last_ms = log.time.ticks_ms()
        for day in range(1, 40):
            clock.advance(day_ms)
            assert log.uptime_ms() == day * day_ms


def test_uptime_is_an_integer_that_never_falls():
    last = log.uptime_ms()
    for _ in range(200):
        now = log.uptime_ms()
        assert isinstance(now, int) and now >= last >= 0
        last = now
