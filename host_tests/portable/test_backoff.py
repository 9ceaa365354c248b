"""device.backoff: the bounds of the waits, and that they are random."""

import check
from faketime import FakeTime

from device import backoff


def test_random_below_stays_below():
    for limit in (1, 2, 3, 1000, 60000, 1 << 24):
        for _ in range(50):
            assert 0 <= backoff.random_below(limit) < limit
    assert backoff.random_below(0) == backoff.random_below(-5) == 0


def test_random_below_varies():
    assert len({backoff.random_below(1 << 24) for _ in range(20)}) > 10


def test_ceiling_doubles_up_to_the_maximum():
    limits = []
    with check.patched(backoff, "random_below", lambda limit: limits.append(limit) or limit - 1):
        pause = backoff.Backoff(1, 10)
        delays = [pause.next_ms() for _ in range(6)]
        pause.reset()
        pause.next_ms()
    assert limits == [1000, 2000, 4000, 8000, 10000, 10000, 1000]
    assert delays[-1] == 9999


def test_minimum_above_maximum_stays_bounded():
    limits = []
    with check.patched(backoff, "random_below", lambda limit: limits.append(limit) or 0):
        pause = backoff.Backoff(100, 10)
        for _ in range(3):
            pause.next_ms()
    assert limits[1:] == [10000, 10000]


def test_sleep_lasts_as_long_as_asked_across_the_wrap():
    for ms in (0, 1, 49, 50, 51, 1000):
        with FakeTime() as clock:
            check.run(backoff.sleep(ms), clock.advance)
            assert ms <= clock.elapsed_ms < ms + backoff.IDLE_MS, ms


def test_pause_sleeps_the_random_delay():
    with FakeTime() as clock, check.patched(backoff, "random_below", lambda limit: 700):
        check.run(backoff.Backoff(1, 2).pause(), clock.advance)
        assert clock.elapsed_ms == 700
