"""device.clock: what is a plausible time, and which server is believed."""

from check import patched, raises_code, run, settings

from device import clock, errors, log

PROVES = {errors.NO_CLOCK: "test_no_server_gives_a_plausible_time"}

NOW = 1800000000  # 2027-01-15
ERA_END = 2085978496


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


def _clock(answers, build_time="", **changes):
    board = Board(answers)
    return clock.Clock(settings(ntp_hosts=sorted(answers), **changes), board, build_time), board


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


def test_the_first_plausible_server_is_believed():
    made, board = _clock({"a": OSError(110, "x"), "b": ERA_END, "c": 0, "d": NOW, "e": NOW + 5})
    run(made.sync_if_due())
    assert board.asked == ["a", "b", "c", "d"]
    assert len(board.moments) == 1
    assert tuple(board.moments[0][:6]) == (2027, 1, 15, 8, 0, 0)


def test_no_server_gives_a_plausible_time():
    made, board = _clock(
        {"a": OSError(110, "x"), "b": ERA_END, "c": 1767225599, "d": IndexError("short"), "e": 1 << 33}
    )
    raises_code(errors.NO_CLOCK, run, made.sync_if_due())
    assert board.asked == ["a", "b", "c", "d", "e"] and board.moments == []


def test_a_dead_daily_resync_is_no_error_while_the_time_is_plausible():
    made, board = _clock({"a": NOW}, ntp_resync_s=1000)
    with patched(log, "uptime_ms", lambda: 0):
        run(made.sync_if_due())
        run(made.sync_if_due())
    assert board.asked == ["a"]
    board.answers["a"] = OSError(110, "x")
    with patched(log, "uptime_ms", lambda: 1000000), patched(clock, "now", lambda: NOW + 1000):
        run(made.sync_if_due())
        run(made.sync_if_due())
    assert board.asked == ["a", "a"]


def test_a_dead_resync_of_an_implausible_clock_is_one():
    made, board = _clock({"a": NOW}, ntp_resync_s=1000)
    with patched(log, "uptime_ms", lambda: 0):
        run(made.sync_if_due())
    board.answers["a"] = OSError(110, "x")
    with patched(log, "uptime_ms", lambda: 1000000), patched(clock, "now", lambda: 1000):
        raises_code(errors.NO_CLOCK, run, made.sync_if_due())


def test_a_board_that_counts_from_2000():
    """The same Unix times, with the port's seconds shifted as on an ESP32."""
    shift = 946684800
    made, board = _clock({"a": NOW - shift})
    gmtime = clock.time.gmtime
    with patched(clock, "_EPOCH_2000", shift), patched(clock.time, "gmtime", lambda s: gmtime(s + shift)):
        run(made.sync_if_due())
        with patched(clock.time, "time", lambda: NOW - shift):
            assert clock.now() == NOW
            assert clock.now_ms() == NOW * 1000
    assert tuple(board.moments[0][:6]) == (2027, 1, 15, 8, 0, 0)


def test_now_is_an_integer_of_13_digits_in_ms():
    with patched(clock.time, "time", lambda: NOW + 0.75):
        assert (clock.now(), clock.now_ms()) == (NOW, NOW * 1000)
    assert len(str(NOW * 1000)) == 13
