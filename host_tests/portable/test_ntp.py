"""device.ntp: what is a plausible time, and which server is believed."""

import makeoffer
from check import patched, raises_code, run
from fakeagent import FakeAgent

from device import board as device_board
from device import clock, errors, log, ntp

PROVES = {errors.NO_CLOCK: "test_no_server_gives_a_plausible_time"}

NOW = 1800000000  # 2027-01-15
ERA_END = 2085978496
DAY = 86400


class Board:
    """device.board as far as ntp needs it. answers: {host: seconds of the board's epoch, or an exception}."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []
        self.moments = []

    def is_asked(self):
        return Both(
            patched(device_board, "ntp_time", self.ntp_time),
            patched(device_board, "set_clock", self.set_clock),
        )

    def ntp_time(self, host):
        self.asked.append(host)
        answer = self.answers[host]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def set_clock(self, moment):
        self.moments.append(moment)


def _agent(answers, build_time="", known_time=0, doubts=0, **changes):
    """An agent and its board."""
    agent = FakeAgent(ntp_hosts=sorted(answers), broker="mqtts://broker", **changes)
    agent.running = {"version": "1.0.0", "build_time": build_time}
    agent.state["known_time"], agent.state["doubts"] = known_time, doubts
    agent.board = Board(answers)
    return agent, agent.board


def _sync(agent):
    with agent.board.is_asked():
        run(ntp.Sync(agent).steps())


def _at(uptime_s, unix_s=NOW):
    """The uptime and what the board's clock says."""
    return Both(patched(log, "uptime_ms", lambda: uptime_s * 1000), patched(clock, "now", lambda: unix_s))


class Both:
    def __init__(self, *managers):
        self._managers = managers

    def __enter__(self):
        for manager in self._managers:
            manager.__enter__()

    def __exit__(self, *arguments):
        for manager in self._managers:
            manager.__exit__(*arguments)


def _is_set_to(board, seconds):
    """The clock was last set to this time."""
    return tuple(board.moments[-1][:6]) == tuple(ntp.time.gmtime(seconds)[:6])


def test_plausible_is_from_the_build_on_for_20_years():
    made = ntp.Sync(_agent({"a": 0}, "Dec  9 2026 01:02:03")[0])
    built = 1796778123
    for seconds in (built, built + 1, NOW, built + 630720000):
        assert made._is_plausible(seconds), seconds
    for seconds in (-1, 0, 1, built - 1, 1767225600, built + 630720001, ERA_END, 1 << 32, 1 << 40):
        assert not made._is_plausible(seconds), seconds


def test_without_a_build_time_2026_is_the_minimum():
    for text in ("", "nonsense", "May 24 2024 10:33:41"):
        made = ntp.Sync(_agent({"a": 0}, text)[0])
        assert made._is_plausible(1767225600) and not made._is_plausible(1767225599)


def test_two_servers_that_agree_are_believed():
    agent, board = _agent({"a": NOW + 90 * DAY, "b": NOW, "c": ERA_END, "d": NOW + 5, "e": NOW})
    _sync(agent)
    assert board.asked == ["a", "b", "c", "d"]
    assert len(board.moments) == 1 and _is_set_to(board, NOW + 5)


def test_a_server_that_answers_alone_is_believed():
    agent, board = _agent({"a": OSError(110, "x"), "b": ERA_END, "c": 0, "d": NOW, "e": IndexError("short")})
    _sync(agent)
    assert board.asked == ["a", "b", "c", "d", "e"] and _is_set_to(board, NOW)


def test_of_servers_that_disagree_the_earliest_is_believed():
    """It cannot be too early by more than the board knows, but too late by 20 years."""
    agent, board = _agent({"a": NOW + 90 * DAY, "b": NOW, "c": NOW + 900 * DAY})
    _sync(agent)
    assert _is_set_to(board, NOW)


def test_no_server_gives_a_plausible_time():
    """The board then goes on with the build time, and says so once."""
    agent, board = _agent(
        {"a": OSError(110, "x"), "b": ERA_END, "c": 1767225599, "d": IndexError("short"), "e": 1 << 33}
    )
    with _at(1, 0):
        raises_code(errors.NO_CLOCK, _sync, agent)
        assert board.asked == ["a", "b", "c", "d", "e"] and _is_set_to(board, 1767225600)
        _sync(agent)


def test_without_ntp_the_last_known_time_goes_on():
    agent, board = _agent({"a": OSError(110, "x")}, known_time=NOW)
    with _at(1, 0):
        raises_code(errors.NO_CLOCK, _sync, agent)
    assert _is_set_to(board, NOW)


def test_a_clock_that_is_ahead_of_what_is_known_is_left_alone():
    agent, board = _agent({"a": OSError(110, "x")}, known_time=NOW - DAY)
    with _at(1, NOW):
        raises_code(errors.NO_CLOCK, _sync, agent)
    assert board.moments == []


def test_ntp_that_goes_back_behind_what_is_known_is_refused():
    agent, board = _agent({"a": NOW - 2 * DAY}, known_time=NOW - DAY)
    with _at(1, 0):
        raises_code(errors.NO_CLOCK, _sync, agent)
    assert _is_set_to(board, NOW - DAY)


def test_ntp_a_moment_behind_what_is_known_is_right():
    agent, board = _agent({"a": NOW - 60}, known_time=NOW)
    _sync(agent)
    assert _is_set_to(board, NOW - 60)


def test_a_known_time_that_was_a_lie_is_given_up_after_a_week():
    """Somebody had once made the board believe in a time years ahead. One failed try in four counts, also of
    a board that starts anew each time."""
    for restarts in (False, True):
        agent, board = _agent({"a": NOW}, known_time=NOW + 2000 * DAY)
        tries = 0
        while agent.state["known_time"]:
            tries += 1
            assert tries < 4000, "never given up"
            if restarts:
                agent.sync_due_ms = agent.sync_asked_ms = agent.time_proven = 0
                agent.is_sync_reported = agent.is_time_doubtful = False
            with _at(60 if restarts else tries * 900, NOW + 2000 * DAY):
                with patched(clock, "random_below", lambda limit, n=tries: n % limit):
                    try:
                        _sync(agent)
                    except errors.OtaError as error:
                        assert error.code == errors.NO_CLOCK
        assert tries == 4 * 169 and _is_set_to(board, NOW)
        assert agent.saves <= 170


def test_a_link_that_stays_up_moves_the_known_time():
    """By the uptime, for NTP may have lied since. (Before 2038: some builds know no later time.)"""
    agent, board = _agent({"a": NOW}, known_time=NOW)
    with _at(100, NOW + 100):
        ntp.note_known(agent)
    board.answers["a"] = NOW + 4000 * DAY
    with _at(100 + 30 * DAY, NOW + 4000 * DAY):
        _sync(agent)
        assert agent.state["known_time"] == NOW + 100 + 30 * DAY
    board.answers["a"] = NOW + 20 * DAY
    with _at(100 + 31 * DAY, NOW + 4000 * DAY):
        raises_code(errors.NO_CLOCK, _sync, agent)


def test_a_liar_before_the_known_time_does_not_hide_an_honest_server():
    agent, board = _agent({"a": NOW - 100 * DAY, "b": NOW + 10 * DAY}, known_time=NOW)
    _sync(agent)
    assert _is_set_to(board, NOW + 10 * DAY)


def test_a_refused_certificate_casts_doubt_on_a_clock_that_ntp_does_not_confirm():
    agent, board = _agent({"a": OSError(110, "x")}, known_time=NOW)
    with _at(1, NOW + 4000 * DAY):
        raises_code(errors.NO_CLOCK, _sync, agent)
        assert board.moments == []
        ntp.resync_soon(agent)
        _sync(agent)
    assert _is_set_to(board, NOW)


def test_a_known_time_that_cannot_be_is_none():
    """A record that is damaged must not keep the board from starting."""
    for known in (1, 1767225599, ERA_END, 1 << 33, 1 << 40, 10**30):
        agent, board = _agent({"a": OSError(110, "x")}, known_time=known)
        with _at(1, 0):
            raises_code(errors.NO_CLOCK, _sync, agent)
        assert _is_set_to(board, 1767225600), known


def test_a_doubt_that_cannot_be_recorded_asks_no_faster():
    agent, _ = _agent({"a": NOW - 2 * DAY}, known_time=NOW - DAY)
    agent.save_fails = True
    with _at(1, NOW), patched(clock, "random_below", lambda limit: 0):
        raises_code(errors.NO_CLOCK, _sync, agent)
        assert log.uptime_ms() < agent.sync_due_ms


def test_one_right_answer_takes_back_all_doubts():
    agent, _ = _agent({"a": NOW + 1}, known_time=NOW, doubts=100)
    _sync(agent)
    assert agent.state["doubts"] == 0


def test_the_known_time_is_recorded_once_a_day():
    agent, _ = _agent({"a": NOW}, known_time=NOW)
    for unix_s, known, saved in ((NOW - DAY, NOW, 0), (NOW + DAY - 1, NOW, 0), (NOW + DAY, NOW + DAY, 1)):
        with _at(1, unix_s):
            ntp.note_known(agent)
        assert (agent.state["known_time"], agent.saves) == (known, saved)


def test_a_day_after_success_and_some_minutes_after_failure_it_is_due():
    agent, board = _agent({"a": NOW}, ntp_resync_s=86400)
    assert log.uptime_ms() >= agent.sync_due_ms
    with _at(10):
        _sync(agent)
    for uptime_s, is_due in ((11, False), (86409, False), (86410, True)):
        with _at(uptime_s):
            assert (log.uptime_ms() >= agent.sync_due_ms) is is_due
    board.answers["a"] = OSError(110, "x")
    with _at(86410):
        raises_code(errors.NO_CLOCK, _sync, agent)
    for uptime_s, is_due in ((86410 + 599, False), (86410 + 1200, True)):
        with _at(uptime_s):
            assert (log.uptime_ms() >= agent.sync_due_ms) is is_due
    with _at(86411):
        ntp.resync_soon(agent)
        assert log.uptime_ms() < agent.sync_due_ms
    with _at(86410 + 600):
        assert log.uptime_ms() >= agent.sync_due_ms


def test_a_dead_resync_leaves_a_good_clock_alone():
    agent, board = _agent({"a": NOW})
    with _at(1):
        _sync(agent)
    board.answers["a"] = OSError(110, "x")
    with _at(90000, NOW + 90000):
        raises_code(errors.NO_CLOCK, _sync, agent)
    assert len(board.moments) == 1


def test_a_board_that_counts_from_2000():
    """The same Unix times, with the port's seconds shifted as on an ESP32."""
    shift = 946684800
    agent, board = _agent({"a": NOW - shift})
    gmtime = clock.time.gmtime
    with patched(clock, "EPOCH_2000", shift), patched(clock.time, "gmtime", lambda s: gmtime(s + shift)):
        _sync(agent)
    assert tuple(board.moments[0][:6]) == (2027, 1, 15, 8, 0, 0)


def test_a_broker_without_tls_proves_no_time():
    agent, _ = _agent({"a": NOW}, known_time=NOW)
    agent.config.broker_address = ("mqtt", "broker", 1883)
    with _at(1, NOW + 100 * DAY):
        ntp.note_known(agent)
    assert agent.state["known_time"] == NOW and agent.time_proven == 0


def test_a_look_at_the_clock_keeps_nobody_offline_and_plans_the_offer_anew():
    agent, board = _agent({"a": NOW})
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
