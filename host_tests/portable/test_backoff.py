"""device.clock and failure.retry(): the bounds of the waits, and that they are random."""

import check
from fakeagent import FakeAgent
from faketime import FakeTime
from makeoffer import offer

from device import clock, errors, failure
from device.update import Transfer


def test_random_below_stays_below():
    for limit in (1, 2, 3, 1000, 60000, 1 << 24):
        for _ in range(50):
            assert 0 <= clock.random_below(limit) < limit
    assert clock.random_below(0) == clock.random_below(-5) == 0


def test_random_below_varies():
    assert len({clock.random_below(1 << 24) for _ in range(20)}) > 10


def _delays(config, count):
    """(The limits of the random delays, the delays)"""
    limits, delays = [], []
    ceiling_ms = 0
    with check.patched(clock, "random_below", lambda limit: limits.append(limit) or limit - 1):
        for _ in range(count):
            ceiling_ms, delay_ms = failure.back_off(config, ceiling_ms)
            delays.append(delay_ms)
    return limits, delays


def test_ceiling_doubles_up_to_the_maximum():
    limits, delays = _delays(check.settings(backoff_min_s=1, backoff_max_s=10), 6)
    assert limits == [1000, 2000, 4000, 8000, 10000, 10000]
    assert delays == [999, 1999, 3999, 7999, 9999, 9999]


def test_minimum_above_maximum_stays_bounded():
    limits, _ = _delays(check.settings(backoff_min_s=100, backoff_max_s=10), 3)
    assert limits[1:] == [10000, 10000]


def test_sleep_lasts_as_long_as_asked_across_the_wrap():
    for ms in (0, 1, 49, 50, 51, 1000):
        with FakeTime() as time:
            check.run(clock.sleep(ms), time.advance)
            assert ms <= time.elapsed_ms < ms + clock.IDLE_MS, ms


def _transfer():
    agent = FakeAgent(backoff_min_s=1, backoff_max_s=2, retry_window_s=10)
    agent.offer = offer()
    return Transfer(agent)


def _pause(transfer, time, asked_s=None):
    """Between two tries, the first of which has met a busy server."""
    transfer.retry_after = asked_s
    check.run(failure.retry(transfer, errors.OtaError(errors.TIMEOUT)), time.advance)


def _is_over(transfer, time):
    before = time.elapsed_ms
    try:
        _pause(transfer, time)
    except errors.OtaError:
        assert time.elapsed_ms == before
        return True
    return False


def test_pause_sleeps_the_random_delay():
    with FakeTime() as time, check.patched(clock, "random_below", lambda limit: 700):
        _pause(_transfer(), time)
        assert time.elapsed_ms == 700


def test_a_window_without_a_block_ends():
    with FakeTime() as time, check.patched(clock, "random_below", lambda limit: limit):
        transfer = _transfer()
        pauses = 0
        while not _is_over(transfer, time):
            pauses += 1
        assert pauses == 6 and time.elapsed_ms == 11000  # 1 + 5 x 2
        transfer.agent.progressed_ms = clock.time.ticks_ms()  # a block, see download.py
        transfer.granted_ms = transfer.pause_ms = 0
        _pause(transfer, time)
        assert time.elapsed_ms == 12000, "the delays begin anew"
        time.advance(9000)
        assert _is_over(transfer, time)


def test_what_the_server_asks_for_does_not_shrink_the_window_up_to_an_hour():
    with FakeTime() as time, check.patched(clock, "random_below", lambda limit: 0):
        transfer = _transfer()
        for elapsed_s in (3000, 3600, 3600):
            _pause(transfer, time, 3000)
            assert time.elapsed_ms == elapsed_s * 1000
        time.advance(9999)
        assert not _is_over(transfer, time)
        time.advance(1)
        assert _is_over(transfer, time)


def _retry(transfer, problem, time):
    check.run(failure.retry(transfer, problem), time.advance)


def test_a_lack_of_memory_is_tried_again_once_room_was_made():
    """Certificates that do not fit are said to be unusable."""
    unusable = errors.OtaError(errors.NO_INIT, "x")
    for problem in (MemoryError("x"), errors.OtaError(errors.NO_MEM, "x"), unusable):
        with FakeTime() as time, check.recorded_log() as lines:
            transfer = _transfer()
            _retry(transfer, problem, time)
            assert transfer.agent.report.rooms == 0
            assert "%d Out of memory: x" % errors.NO_MEM in lines[0] and "at byte 0: x" in lines[1]
            assert check.raises(type(problem), _retry, transfer, problem, time) is problem


def test_a_refused_handshake_is_tried_again_once():
    with FakeTime() as time:
        transfer = _transfer()
        refused = errors.OtaError(errors.TLS_REFUSED)
        _retry(transfer, refused, time)
        assert transfer.was_refused and transfer.agent.report.rooms == 0
        check.raises_code(errors.TLS_REFUSED, _retry, transfer, refused, time)


def test_which_failures_are_final():
    for code in (errors.HTTP_STATUS, errors.SIZE_MISMATCH, errors.HEADER_INVALID, errors.FLASH):
        with FakeTime() as time:
            check.raises_code(code, _retry, _transfer(), errors.OtaError(code), time)
            assert time.elapsed_ms == 0
    for code in (errors.TIMEOUT, errors.CONNECTION_FAILED, errors.NO_GOT_IP):
        with FakeTime() as time:
            _retry(_transfer(), errors.OtaError(code), time)
    with FakeTime() as time:  # what the server may answer otherwise the next time
        transfer = _transfer()
        transfer.retry_after = 0
        _retry(transfer, errors.OtaError(errors.SIZE_MISMATCH), time)


def test_a_download_is_bounded_whatever_the_server_asks_for():
    with FakeTime() as time, check.patched(clock, "random_below", lambda limit: 0):
        transfer = _transfer()
        transfer.agent.config.download_limit_s = 5000
        _pause(transfer, time, 3000)
        transfer.agent.progressed_ms = clock.time.ticks_ms()  # one block
        transfer.granted_ms = 0
        transfer.retry_after = 3000
        check.raises_code(errors.TIMEOUT, _retry, transfer, errors.OtaError(errors.HTTP_STATUS), time)
        assert 5_000_000 < time.elapsed_ms <= 5_000_100, "in the middle of the pause"


def test_a_pause_ends_when_the_offer_was_taken_back_or_replaced():
    for successor in (None, offer(version="1.2.4")):
        with FakeTime() as time:
            transfer = _transfer()
            transfer.retry_after = 3000
            retrying = failure.retry(transfer, errors.OtaError(errors.HTTP_STATUS))
            time.advance(next(retrying))
            transfer.agent.offer = successor
            check.raises_code(errors.ALREADY_RUNNING, next, retrying)


def test_starting_over_costs_of_the_flashs_life():
    with FakeTime():
        transfer = _transfer()
        failure.start_over(transfer, "why")
        before = transfer.agent.state["wear"][0]
        failure.start_over(transfer, "why")
        assert transfer.agent.state["wear"][0] == before - 4320
        transfer.agent.state["wear"][0] = 0
        check.raises_code(errors.CONNECTION_FAILED, failure.start_over, transfer, "why")
