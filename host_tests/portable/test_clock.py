"""device.clock: the time as everybody reads it; of its waits see test_backoff."""

from check import patched

from device import clock, log

NOW = 1800000000


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
