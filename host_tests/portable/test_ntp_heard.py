"""device.ntp: what the broker says of the time, beside NTP."""

from check import patched, raises_code
from fakentp import DAY, NOW, agent_with, at, is_set_to, sync

from device import clock, errors, log, ntp

YEAR = 365 * DAY


def _hear(agent, said, clock_s, uptime_s=1000):
    with at(uptime_s, clock_s):
        ntp.hear(agent, said)


def _synced(answers, **changes):
    """An agent whose clock NTP has set, some time ago."""
    agent, board = agent_with(answers, **changes)
    with at(10):
        sync(agent)
    board.asked, board.moments = [], []
    return agent, board


def _is_due(agent, uptime_s):
    with at(uptime_s):
        return log.uptime_ms() >= agent.sync_due_ms


def test_a_message_that_agrees_changes_nothing():
    agent, _ = _synced({"a": NOW})
    for said in (NOW - 60, NOW + 60, NOW * 1000, (NOW + 60) * 1000 + 999):
        _hear(agent, said, NOW)
    assert agent.witness is None and not _is_due(agent, 1000)


def test_one_that_contradicts_has_ntp_asked_again_and_not_too_often():
    for said in (NOW - 61, NOW + 61, (NOW + 61) * 1000, 1, 0, 1 << 70):
        agent, _ = _synced({"a": NOW})
        _hear(agent, said, NOW, 20)
        assert not _is_due(agent, 909) and _is_due(agent, 910), said


def test_what_is_no_time_says_nothing():
    agent, _ = _synced({"a": NOW})
    for said in (None, "1", 1.5, [], {}):
        ntp.hear(agent, said)
    agent.config.broker_address = ("mqtt", "broker", 1883)
    _hear(agent, NOW + YEAR, NOW)  # nothing confirms it
    assert agent.witness is None


def test_without_ntp_it_is_a_lower_bound():
    lies = ((NOW - 100 * DAY, None), (NOW + 30 * YEAR, None), (1, None))
    for said, moved_to in ((NOW + YEAR, NOW + YEAR),) + lies:
        agent, board = agent_with({"a": OSError(110, "x")}, known_time=NOW - 200 * DAY)
        _hear(agent, said, NOW)
        with at(1000, NOW):
            raises_code(errors.NO_CLOCK, sync, agent)
        if moved_to:
            assert is_set_to(board, moved_to)
        else:
            assert board.moments == [], said
        assert agent.state["known_time"] == NOW - 200 * DAY, "it is not proven by that"


def test_against_ntp_it_moves_nothing():
    for lie in (YEAR, -YEAR):
        agent, board = agent_with({"a": NOW}, known_time=NOW - DAY)
        _hear(agent, NOW + lie, NOW)
        with at(1000):
            sync(agent)
        assert is_set_to(board, NOW)


def test_the_server_that_agrees_with_it_is_believed():
    """Also against two that agree with each other, which may be one liar, and behind a known time."""
    agent, board = agent_with({"a": NOW + YEAR, "b": NOW + YEAR, "c": NOW}, known_time=NOW + YEAR)
    _hear(agent, NOW, NOW + YEAR)
    with at(1000, NOW + YEAR):
        sync(agent)
    assert is_set_to(board, NOW) and agent.state["known_time"] == agent.time_proven == 0
    assert agent.witness is None, "it is used once"


def test_together_they_do_not_go_back_behind_what_they_agreed_on():
    agent, board = agent_with({"a": NOW - 2 * DAY}, known_time=NOW)
    agent.state["agreed_time"] = NOW - DAY
    _hear(agent, NOW - 2 * DAY, NOW)
    with at(1000, NOW):
        raises_code(errors.NO_CLOCK, sync, agent)
    assert board.moments == [] and agent.state["known_time"] == NOW


def test_alone_it_does_not_go_back_behind_a_known_time():
    agent, board = agent_with({"a": OSError(110, "x")}, known_time=NOW)
    for _ in range(3):
        _hear(agent, NOW - DAY, NOW)
        with at(1000, NOW), patched(clock, "random_below", lambda limit: 0):
            try:
                sync(agent)
            except errors.OtaError:
                pass
    assert board.moments == [] and agent.state["known_time"] == NOW and agent.state["doubts"] == 0


def test_on_what_they_agree_is_on_record_once_a_day():
    agent, _ = _synced({"a": NOW})
    saves = agent.saves
    for unix_s, agreed, saved in ((NOW, NOW, 1), (NOW + DAY - 1, NOW, 1), (NOW + DAY, NOW + DAY, 2)):
        _hear(agent, unix_s + 30, unix_s)
        assert (agent.state["agreed_time"], agent.saves - saves) == (agreed, saved)


def test_a_clock_that_ntp_has_not_set_agrees_with_nobody():
    """Else the broker alone could move the bound."""
    agent, _ = agent_with({"a": OSError(110, "x")}, known_time=NOW)
    _hear(agent, NOW, NOW)
    with at(10, NOW):
        raises_code(errors.NO_CLOCK, sync, agent)
    _hear(agent, NOW, NOW)
    assert agent.state["agreed_time"] == 0
