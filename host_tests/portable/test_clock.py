"""device.clock: what is a plausible time, and which server is believed."""

from check import patched, raises_code, run, settings

from device import clock, errors, log

PROVES = {errors.NO_CLOCK: "test_no_server_gives_a_plausible_time"}

NOW = 1800000000  # 2027-01-15
ERA_END = 2085978496
DAY = 86400


class Board:
    """answers: {host: seconds of the board's epoch, or an exception}."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []
        self.moments = []

    def ntp_time(self, host):
        self.asked.append(host)
        answer = self.answers[host]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def set_clock(self, moment):
        self.moments.append(moment)


class State:
    """device.state as far as the clock needs it."""

    def __init__(self, known_time=0, doubts=0):
        self.known_time = known_time
        self.doubts = doubts
        self.saved = 0

    def save(self):
        self.saved += 1


def _clock(answers, build_time="", state=None, **changes):
    board = Board(answers)
    config = settings(ntp_hosts=sorted(answers), broker="mqtts://broker", **changes)
    return clock.Clock(config, board, state or State(), build_time), board


def _at(uptime_s, unix_s=NOW):
    """The uptime and what the board's clock says."""
    return Both(
        patched(log, "uptime_ms", lambda: uptime_s * 1000), patched(clock, "now", lambda: unix_s)
    )


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
    return tuple(board.moments[-1][:6]) == tuple(clock.time.gmtime(seconds)[:6])


def test_build_times():
    for text, seconds in (
        ("May 24 2024 10:33:41", 1716546821), ("Jan 1 2000 00:00:00", 946684800),
        ("Feb 29 2028 23:59:59", 1835481599), ("Dec  9 2026 01:02:03", 1796778123),
    ):  # fmt: skip
        assert clock.build_seconds(text) == seconds, text


def test_build_times_that_are_none():
    for text in (
        "", "May 24 2024", "2024-05-24 10:33:41", "24 May 2024 10:33:41", "anF 1 2026 00:00:00",
        "May x 2024 10:33:41", "May 24 1999 10:33:41", "May 24 2101 10:33:41", "May 24 2024 10:33",
        "May 24 2024 a:b:c", "ay 24 2024 10:33:41", "may 24 2024 10:33:41", "JanFeb 1 2026 00:00:00",
        "May 24 99999999999999 10:33:41",
    ):  # fmt: skip
        assert clock.build_seconds(text) == 0, text


def test_plausible_is_from_the_build_on_for_20_years():
    made, _ = _clock({}.fromkeys(["a"], 0), "Dec  9 2026 01:02:03")
    built = 1796778123
    for seconds in (built, built + 1, NOW, built + 630720000):
        assert made.is_plausible(seconds), seconds
    for seconds in (-1, 0, 1, built - 1, 1767225600, built + 630720001, ERA_END, 1 << 32, 1 << 40):
        assert not made.is_plausible(seconds), seconds


def test_without_a_build_time_2026_is_the_floor():
    for text in ("", "nonsense", "May 24 2024 10:33:41"):
        made, _ = _clock({"a": 0}, text)
        assert made.is_plausible(1767225600) and not made.is_plausible(1767225599)


def test_unix_seconds_past_2038():
    for moment, seconds in (
        ((1970, 1, 1, 0, 0, 0), 0), ((2000, 2, 29, 12, 0, 1), 951825601), ((2038, 1, 19, 3, 14, 8), 1 << 31),
        ((2046, 12, 31, 23, 59, 59), 2429913599), ((2100, 3, 1, 0, 0, 0), 4107542400),
    ):  # fmt: skip
        assert clock.unix(*moment) == seconds, moment


def test_two_servers_that_agree_are_believed():
    made, board = _clock({"a": NOW + 90 * DAY, "b": NOW, "c": ERA_END, "d": NOW + 5, "e": NOW})
    run(made.sync())
    assert board.asked == ["a", "b", "c", "d"]
    assert len(board.moments) == 1 and _is_set_to(board, NOW + 5)


def test_a_server_that_answers_alone_is_believed():
    made, board = _clock({"a": OSError(110, "x"), "b": ERA_END, "c": 0, "d": NOW, "e": IndexError("short")})
    run(made.sync())
    assert board.asked == ["a", "b", "c", "d", "e"] and _is_set_to(board, NOW)


def test_of_servers_that_disagree_the_earliest_is_believed():
    """It cannot be too early by more than the board knows, but too late by 20 years."""
    made, board = _clock({"a": NOW + 90 * DAY, "b": NOW, "c": NOW + 900 * DAY})
    run(made.sync())
    assert _is_set_to(board, NOW)


def test_no_server_gives_a_plausible_time():
    """The board then goes on with the build time, and says so once."""
    made, board = _clock(
        {"a": OSError(110, "x"), "b": ERA_END, "c": 1767225599, "d": IndexError("short"), "e": 1 << 33}
    )
    with _at(1, 0):
        raises_code(errors.NO_CLOCK, run, made.sync())
        assert board.asked == ["a", "b", "c", "d", "e"] and _is_set_to(board, 1767225600)
        run(made.sync())


def test_without_ntp_the_last_known_time_goes_on():
    made, board = _clock({"a": OSError(110, "x")}, state=State(NOW))
    with _at(1, 0):
        raises_code(errors.NO_CLOCK, run, made.sync())
    assert _is_set_to(board, NOW)


def test_a_clock_that_is_ahead_of_what_is_known_is_left_alone():
    made, board = _clock({"a": OSError(110, "x")}, state=State(NOW - DAY))
    with _at(1, NOW):
        raises_code(errors.NO_CLOCK, run, made.sync())
    assert board.moments == []


def test_ntp_that_goes_back_behind_what_is_known_is_refused():
    made, board = _clock({"a": NOW - 2 * DAY}, state=State(NOW - DAY))
    with _at(1, 0):
        raises_code(errors.NO_CLOCK, run, made.sync())
    assert _is_set_to(board, NOW - DAY)


def test_ntp_a_moment_behind_what_is_known_is_right():
    made, board = _clock({"a": NOW - 60}, state=State(NOW))
    run(made.sync())
    assert _is_set_to(board, NOW - 60)


def test_a_known_time_that_was_a_lie_is_given_up_after_a_week():
    """Somebody had once made the board believe in a time years ahead. One failed try in four counts, also of
    a board that starts anew each time."""
    for restarts in (False, True):
        state = State(NOW + 2000 * DAY)
        made, board = _clock({"a": NOW}, state=state)
        tries = 0
        while state.known_time:
            tries += 1
            assert tries < 4000, "never given up"
            if restarts:
                made, board = _clock({"a": NOW}, state=state)
            with _at(60 if restarts else tries * 900, NOW + 2000 * DAY):
                with patched(clock.backoff, "random_below", lambda limit, n=tries: n % limit):
                    try:
                        run(made.sync())
                    except errors.OtaError as error:
                        assert error.code == errors.NO_CLOCK
        assert tries == 4 * 169 and _is_set_to(board, NOW)
        assert state.saved <= 170


def test_a_link_that_stays_up_moves_the_known_time():
    """By the uptime, for NTP may have lied since. (Before 2038: some builds know no later time.)"""
    state = State(NOW)
    made, board = _clock({"a": NOW}, state=state)
    with _at(100, NOW + 100):
        made.note_known()
    board.answers["a"] = NOW + 4000 * DAY
    with _at(100 + 30 * DAY, NOW + 4000 * DAY):
        run(made.sync())
        assert state.known_time == NOW + 100 + 30 * DAY
    board.answers["a"] = NOW + 20 * DAY
    with _at(100 + 31 * DAY, NOW + 4000 * DAY):
        raises_code(errors.NO_CLOCK, run, made.sync())


def test_a_liar_before_the_known_time_does_not_hide_an_honest_server():
    made, board = _clock({"a": NOW - 100 * DAY, "b": NOW + 10 * DAY}, state=State(NOW))
    run(made.sync())
    assert _is_set_to(board, NOW + 10 * DAY)


def test_a_refused_certificate_casts_doubt_on_a_clock_that_ntp_does_not_confirm():
    made, board = _clock({"a": OSError(110, "x")}, state=State(NOW))
    with _at(1, NOW + 4000 * DAY):
        raises_code(errors.NO_CLOCK, run, made.sync())
        assert board.moments == []
        made.hurry()
        run(made.sync())
    assert _is_set_to(board, NOW)


def test_a_known_time_that_cannot_be_is_none():
    """A record that is damaged must not keep the board from starting."""
    for known in (1, 1767225599, ERA_END, 1 << 33, 1 << 40, 10**30):
        made, board = _clock({"a": OSError(110, "x")}, state=State(known))
        with _at(1, 0):
            raises_code(errors.NO_CLOCK, run, made.sync())
        assert _is_set_to(board, 1767225600), known


def test_a_doubt_that_cannot_be_recorded_asks_no_faster():
    class Broken(State):
        def save(self):
            raise errors.OtaError(errors.FLASH, "full")

    made, _ = _clock({"a": NOW - 2 * DAY}, state=Broken(NOW - DAY))
    with _at(1, NOW), patched(clock.backoff, "random_below", lambda limit: 0):
        raises_code(errors.NO_CLOCK, run, made.sync())
        assert not made.is_due()


def test_one_right_answer_takes_back_all_doubts():
    state = State(NOW, 100)
    made, _ = _clock({"a": NOW + 1}, state=state)
    run(made.sync())
    assert state.doubts == 0


def test_the_known_time_is_recorded_once_a_day():
    state = State(NOW)
    made, _ = _clock({"a": NOW}, state=state)
    for unix_s, known, saved in ((NOW - DAY, NOW, 0), (NOW + DAY - 1, NOW, 0), (NOW + DAY, NOW + DAY, 1)):
        with _at(1, unix_s):
            made.note_known()
        assert (state.known_time, state.saved) == (known, saved)


def test_a_day_after_success_and_some_minutes_after_failure_it_is_due():
    made, board = _clock({"a": NOW}, ntp_resync_s=86400)
    assert made.is_due()
    with _at(10):
        run(made.sync())
    for uptime_s, is_due in ((11, False), (86409, False), (86410, True)):
        with _at(uptime_s):
            assert made.is_due() is is_due
    board.answers["a"] = OSError(110, "x")
    with _at(86410):
        raises_code(errors.NO_CLOCK, run, made.sync())
    for uptime_s, is_due in ((86410 + 599, False), (86410 + 1200, True)):
        with _at(uptime_s):
            assert made.is_due() is is_due
    with _at(86411):
        made.hurry()
        assert not made.is_due()
    with _at(86410 + 600):
        assert made.is_due()


def test_a_dead_resync_leaves_a_good_clock_alone():
    made, board = _clock({"a": NOW})
    with _at(1):
        run(made.sync())
    board.answers["a"] = OSError(110, "x")
    with _at(90000, NOW + 90000):
        raises_code(errors.NO_CLOCK, run, made.sync())
    assert len(board.moments) == 1


def test_a_board_that_counts_from_2000():
    """The same Unix times, with the port's seconds shifted as on an ESP32."""
    shift = 946684800
    made, board = _clock({"a": NOW - shift})
    gmtime = clock.time.gmtime
    with patched(clock, "_EPOCH_2000", shift), patched(clock.time, "gmtime", lambda s: gmtime(s + shift)):
        run(made.sync())
        with patched(clock.time, "time", lambda: NOW - shift):
            assert clock.now() == NOW
    assert tuple(board.moments[0][:6]) == (2027, 1, 15, 8, 0, 0)


def test_now_is_an_integer():
    with patched(clock.time, "time", lambda: NOW + 0.75):
        assert clock.now() == NOW and isinstance(clock.now(), int)
