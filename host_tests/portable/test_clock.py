"""device.clock: the time as everybody reads it, and the bounds of the waits, and that they are random."""

from check import patched, run, settings
from faketime import FakeTime

from device import clock, log

NOW = 1800000000


def test_random_below_stays_below():
    for limit in (1, 2, 3, 1000, 60000, 1 << 24):
        for _ in range(50):
            assert 0 <= clock.random_below(limit) < limit
    assert clock.random_below(0) == clock.random_below(-5) == 0


def test_random_below_varies():
    assert len({clock.random_below(1 << 24) for _ in range(20)}) > 10


def _back_off(count, **changes):
    """The delays of so many failures in a row, and what they were drawn below."""
    limits, delays, ceiling_ms = [], [], 0
    with patched(clock, "random_below", lambda limit: limits.append(limit) or limit - 1):
        for _ in range(count):
            ceiling_ms, delay_ms = clock.back_off(settings(**changes), ceiling_ms)
            delays.append(delay_ms)
    return delays, limits


def test_ceiling_doubles_up_to_the_maximum():
    delays, limits = _back_off(6, backoff_min_s=1, backoff_max_s=10)
    assert limits == [1000, 2000, 4000, 8000, 10000, 10000]
    assert delays == [limit - 1 for limit in limits]
    assert _back_off(1, backoff_min_s=1, backoff_max_s=10)[1] == [1000], "and from the start again"


def test_minimum_above_maximum_stays_bounded():
    assert _back_off(3, backoff_min_s=100, backoff_max_s=10)[1][1:] == [10000, 10000]


def test_sleep_lasts_as_long_as_asked_across_the_wrap():
    for ms in (0, 1, 49, 50, 51, 1000):
        with FakeTime() as time:
            run(clock.sleep(ms), time.advance)
            assert ms <= time.elapsed_ms < ms + clock.IDLE_MS, ms


def test_a_refused_certificate_asks_soon_and_no_more_often_than_every_ten_minutes():
    made = clock.Clock()
    assert made.is_due() and not made.is_doubtful
    made.asked_ms, made.due_ms = 1000000, 90000000
    made.resync_soon()
    assert made.is_doubtful
    for uptime_ms, is_due in ((1000001, False), (1599999, False), (1600000, True)):
        with patched(log, "uptime_ms", lambda uptime_ms=uptime_ms: uptime_ms):
            assert made.is_due() is is_due
    made.due_ms = 1200000
    made.resync_soon()
    assert made.due_ms == 1200000, "never later than it was"


def test_now_is_an_integer():
    with patched(clock.time, "time", lambda: NOW + 0.75), patched(clock, "EPOCH_2000", 0):
        assert clock.now() == NOW and isinstance(clock.now(), int)


def test_a_board_that_counts_from_2000():
    shift = 946684800
    with patched(clock, "EPOCH_2000", shift), patched(clock.time, "time", lambda: NOW - shift):
        assert clock.now() == NOW
