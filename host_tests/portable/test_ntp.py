"""device.ntp: what is a plausible time, which server is believed, and when one is asked."""

import makeoffer
from check import patched, raises_code, run
from fakeagent import FakeAgent
from fakentp import DAY, ERA_END, NOW, agent_with, at, is_set_to, sync

from device import clock, errors, log, ntp

PROVES = {errors.NO_CLOCK: "test_no_server_gives_a_plausible_time"}


def test_plausible_is_from_the_build_on_for_20_years():
    made = ntp.Sync(agent_with({"a": 0}, "Dec  9 2026 01:02:03")[0])
    built = 1796778123
    for seconds in (built, built + 1, NOW, built + 630720000):
        assert made._is_plausible(seconds), seconds
    for seconds in (-1, 0, 1, built - 1, 1767225600, built + 630720001, ERA_END, 1 << 32, 1 << 40):
        assert not made._is_plausible(seconds), seconds


def test_without_a_build_time_2026_is_the_minimum():
    for text in ("", "nonsense", "May 24 2024 10:33:41"):
        made = ntp.Sync(agent_with({"a": 0}, text)[0])
        assert made._is_plausible(1767225600) and not made._is_plausible(1767225599)


def test_two_servers_that_agree_are_believed():
    agent, board = agent_with({"a": NOW + 90 * DAY, "b": NOW, "c": ERA_END, "d": NOW + 5, "e": NOW})
    sync(agent)
    assert board.asked == ["a", "b", "c", "d"]
    assert len(board.moments) == 1 and is_set_to(board, NOW + 5)


def test_a_server_that_answers_alone_is_believed():
    agent, board = agent_with(
        {"a": OSError(110, "x"), "b": ERA_END, "c": 0, "d": NOW, "e": IndexError("short")}
    )
    sync(agent)
    assert board.asked == ["a", "b", "c", "d", "e"] and is_set_to(board, NOW)


def test_of_servers_that_disagree_the_earliest_is_believed():
    """It cannot be too early by more than the board knows, but too late by 20 years."""
    agent, board = agent_with({"a": NOW + 90 * DAY, "b": NOW, "c": NOW + 900 * DAY})
    sync(agent)
    assert is_set_to(board, NOW)


def test_no_server_gives_a_plausible_time():
    """The board then goes on with the build time, and says so once."""
    agent, board = agent_with(
        {"a": OSError(110, "x"), "b": ERA_END, "c": 1767225599, "d": IndexError("short"), "e": 1 << 33}
    )
    with at(1, 0):
        raises_code(errors.NO_CLOCK, sync, agent)
        assert board.asked == ["a", "b", "c", "d", "e"] and is_set_to(board, 1767225600)
        sync(agent)


def test_a_day_after_success_and_some_minutes_after_failure_it_is_due():
    agent, board = agent_with({"a": NOW}, ntp_resync_s=86400)
    assert log.uptime_ms() >= agent.sync_due_ms
    with at(10):
        sync(agent)
    for uptime_s, is_due in ((11, False), (86409, False), (86410, True)):
        with at(uptime_s):
            assert (log.uptime_ms() >= agent.sync_due_ms) is is_due
    board.answers["a"] = OSError(110, "x")
    with at(86410):
        raises_code(errors.NO_CLOCK, sync, agent)
    for uptime_s, is_due in ((86410 + 599, False), (86410 + 1200, True)):
        with at(uptime_s):
            assert (log.uptime_ms() >= agent.sync_due_ms) is is_due
    with at(86411):
        ntp.resync_soon(agent)
        assert log.uptime_ms() < agent.sync_due_ms
    with at(86410 + 600):
        assert log.uptime_ms() >= agent.sync_due_ms


def test_a_dead_resync_leaves_a_good_clock_alone():
    agent, board = agent_with({"a": NOW})
    with at(1):
        sync(agent)
    board.answers["a"] = OSError(110, "x")
    with at(90000, NOW + 90000):
        raises_code(errors.NO_CLOCK, sync, agent)
    assert len(board.moments) == 1


def test_a_board_that_counts_from_2000():
    """The same Unix times, with the port's seconds shifted as on an ESP32."""
    shift = 946684800
    agent, board = agent_with({"a": NOW - shift})
    gmtime = clock.time.gmtime
    with patched(clock, "EPOCH_2000", shift), patched(clock.time, "gmtime", lambda s: gmtime(s + shift)):
        sync(agent)
    assert tuple(board.moments[0][:6]) == (2027, 1, 15, 8, 0, 0)


def test_a_look_at_the_clock_keeps_nobody_offline_and_plans_the_offer_anew():
    agent, board = agent_with({"a": NOW})
    agent.offer = makeoffer.offer(upgrade_delay=NOW + 100)
    with board.is_asked():
        run(ntp.sync(agent))
        assert agent.due == NOW + 100 and agent.report.errors == []
        board.answers["a"] = OSError(110, "x")
        for _ in range(2):
            run(ntp.sync(agent))
        assert agent.report.codes() == [errors.NO_CLOCK]


def test_asking_soon_means_no_more_often_than_every_ten_minutes():
    agent = FakeAgent()
    agent.sync_asked_ms, agent.sync_due_ms = 1000000, 90000000
    ntp.resync_soon(agent)
    assert agent.is_time_doubtful and agent.sync_due_ms == 1600000
    agent.sync_due_ms = 1200000
    ntp.resync_soon(agent)
    assert agent.sync_due_ms == 1200000, "never later than it was"
