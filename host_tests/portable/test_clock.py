"""device.clock: the time as everybody reads it; of its waits see test_backoff."""

from check import patched

from device import clock

NOW = 1800000000


def test_now_is_an_integer():
    with patched(clock.time, "time", lambda: NOW + 0.75), patched(clock, "EPOCH_2000", 0):
        assert clock.now() == NOW and isinstance(clock.now(), int)


def test_a_board_that_counts_from_2000():
    shift = 946684800
    with patched(clock, "EPOCH_2000", shift), patched(clock.time, "time", lambda: NOW - shift):
        assert clock.now() == NOW
