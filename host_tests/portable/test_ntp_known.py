"""device.ntp: the time that a board knows already, and when it gives that up."""

from check import patched, raises_code
from fakentp import DAY, ERA_END, NOW, agent_with, at, is_set_to, sync

from device import clock, errors, log, ntp


def test_without_ntp_the_last_known_time_goes_on():
    agent, board = agent_with({"a": OSError(110, "x")}, known_time=NOW)
    with at(1, 0):
        raises_code(errors.NO_CLOCK, sync, agent)
    assert is_set_to(board, NOW)


def test_a_clock_that_is_ahead_of_what_is_known_is_left_alone():
    agent, board = agent_with({"a": OSError(110, "x")}, known_time=NOW - DAY)
    with at(1, NOW):
        raises_code(errors.NO_CLOCK, sync, agent)
    assert board.moments == []


def test_ntp_that_goes_back_behind_what_is_known_is_refused():
    agent, board = agent_with({"a": NOW - 2 * DAY}, known_time=NOW - DAY)
    with at(1, 0):
        raises_code(errors.NO_CLOCK, sync, agent)
    assert is_set_to(board, NOW - DAY)


def test_ntp_a_moment_behind_what_is_known_is_right():
    agent, board = agent_with({"a": NOW - 60}, known_time=NOW)
    sync(agent)
    assert is_set_to(board, NOW - 60)


def test_a_known_time_that_was_a_lie_is_given_up_after_a_week():
    """Somebody had once made the board believe in a time years ahead. One failed try in four counts, also of
    a board that starts anew each time."""
    for restarts in (False, True):
        agent, board = agent_with({"a": NOW}, known_time=NOW + 2000 * DAY)
        tries = 0
        while agent.state["known_time"]:
            tries += 1
            assert tries < 4000, "never given up"
            if restarts:
                agent.sync_due_ms = agent.sync_asked_ms = agent.time_proven = 0
                agent.is_sync_reported = agent.is_time_doubtful = False
            with at(60 if restarts else tries * 900, NOW + 2000 * DAY):
                with patched(clock, "random_below", lambda limit, n=tries: n % limit):
                    try:
                        sync(agent)
                    except errors.OtaError as error:
                        assert error.code == errors.NO_CLOCK
        assert tries == 4 * 169 and is_set_to(board, NOW)
        assert agent.saves <= 170


def test_a_link_that_stays_up_moves_the_known_time():
    """By the uptime, for NTP may have lied since. (Before 2038: some builds know no later time.)"""
    agent, board = agent_with({"a": NOW}, known_time=NOW)
    with at(100, NOW + 100):
        ntp.note_known(agent)
    board.answers["a"] = NOW + 4000 * DAY
    with at(100 + 30 * DAY, NOW + 4000 * DAY):
        sync(agent)
        assert agent.state["known_time"] == NOW + 100 + 30 * DAY
    board.answers["a"] = NOW + 20 * DAY
    with at(100 + 31 * DAY, NOW + 4000 * DAY):
        raises_code(errors.NO_CLOCK, sync, agent)


def test_a_liar_before_the_known_time_does_not_hide_an_honest_server():
    agent, board = agent_with({"a": NOW - 100 * DAY, "b": NOW + 10 * DAY}, known_time=NOW)
    sync(agent)
    assert is_set_to(board, NOW + 10 * DAY)


def test_a_refused_certificate_casts_doubt_on_a_clock_that_ntp_does_not_confirm():
    agent, board = agent_with({"a": OSError(110, "x")}, known_time=NOW)
    with at(1, NOW + 4000 * DAY):
        raises_code(errors.NO_CLOCK, sync, agent)
        assert board.moments == []
        ntp.resync_soon(agent)
        sync(agent)
    assert is_set_to(board, NOW)


def test_a_known_time_that_cannot_be_is_none():
    """A record that is damaged must not keep the board from starting."""
    for known in (1, 1767225599, ERA_END, 1 << 33, 1 << 40, 10**30):
        agent, board = agent_with({"a": OSError(110, "x")}, known_time=known)
        with at(1, 0):
            raises_code(errors.NO_CLOCK, sync, agent)
        assert is_set_to(board, 1767225600), known


def test_a_doubt_that_cannot_be_recorded_asks_no_faster():
    agent, _ = agent_with({"a": NOW - 2 * DAY}, known_time=NOW - DAY)
    agent.save_fails = True
    with at(1, NOW), patched(clock, "random_below", lambda limit: 0):
        raises_code(errors.NO_CLOCK, sync, agent)
        assert log.uptime_ms() < agent.sync_due_ms


def test_one_right_answer_takes_back_all_doubts():
    agent, _ = agent_with({"a": NOW + 1}, known_time=NOW, doubts=100)
    sync(agent)
    assert agent.state["doubts"] == 0


def test_the_known_time_is_recorded_once_a_day():
    agent, _ = agent_with({"a": NOW}, known_time=NOW)
    for unix_s, known, saved in ((NOW - DAY, NOW, 0), (NOW + DAY - 1, NOW, 0), (NOW + DAY, NOW + DAY, 1)):
        with at(1, unix_s):
            ntp.note_known(agent)
        assert (agent.state["known_time"], agent.saves) == (known, saved)


def test_a_broker_without_tls_proves_no_time():
    agent, _ = agent_with({"a": NOW}, known_time=NOW)
    agent.config.broker_address = ("mqtt", "broker", 1883)
    with at(1, NOW + 100 * DAY):
        ntp.note_known(agent)
    assert agent.state["known_time"] == NOW and agent.time_proven == 0
