"""device.online: what a board does, in which order, until an image has proved itself; and after a failure."""

from check import patched, recorded_log, run
from fakeagent import FakeAgent, data_of
from faketime import FakeTime

from device import board, clock, connection, errors, expiry, failure, log, ntp, online, rollback, tries
from device import trial as device_trial
from device.report import Report

RECORD = {"version": "1.1.6", "build_time": "May 24 2024 10:33:41", "size": 100, "digest": ""}


class _Online:
    """One call of online.connect(). calls: in their order."""

    def __init__(self, is_new=False, passes=True, can_return=None, on_trial=None):
        self.agent = agent = FakeAgent()
        agent.report = Report(agent.link, "en")
        agent.running = dict(RECORD)
        agent.is_new, agent.can_return = is_new, is_new if can_return is None else can_return
        agent.self_test = lambda: self._note("self_test") or passes
        agent.sync_due_ms = 1 << 40
        agent.state["trial"] = on_trial
        agent.link.publish = lambda name, payload, waits=True: self._note(name, payload)
        self.calls = []
        self.payloads = []

    def _note(self, name, payload=None):
        self.calls.append(name)
        self.payloads += [payload] if payload else []

    def _confirm(self, agent):
        self._note("trial.confirm")
        agent.state["untold"] = "1.1.6"

    def run(self):
        """Returns self."""

        def settle(_):
            self._note("settle")
            yield

        patches = [
            patched(board, "running", lambda: (None, "ota_0")),
            patched(board, "confirm", lambda: self._note("board.confirm") or True),
            patched(online, "open_link", lambda _: self._note("connect")),
            patched(online, "subscribe", lambda _, name: self._note("subscribe " + name)),
            patched(device_trial, "confirm", self._confirm),
            patched(connection, "reach_file_host", lambda _: self._note("file host")),
            patched(rollback, "settle", settle),
            patched(rollback, "note_cause", lambda _, cause: self._note(cause)),
            patched(ntp, "note_known", lambda _: self._note("note_known")),
            patched(tries, "give_back", lambda _: self._note("give_back")),
        ]
        for patch in patches:
            patch.__enter__()
        try:
            run(online.connect(self.agent))
        finally:
            for patch in patches:
                patch.__exit__()
        return self


def test_what_is_confirmed_is_guarded_no_longer():
    from device import guard

    for is_new in (True, False):  # without its record it is on trial all the same
        with patched(guard, "_is_on_trial", True):
            made = _Online(is_new=is_new).run()
            assert "board.confirm" in made.calls and not guard._is_on_trial


SUBSCRIPTIONS = ["subscribe update", "subscribe response"]


def test_the_order_for_an_image_that_is_known():
    made = _Online()
    made.agent.last_code = made.agent.memory_failures = 3
    assert made.run().calls == ["connect"] + SUBSCRIPTIONS + [
        "firmware/report", "board.confirm", "note_known"
    ]  # fmt: skip
    assert made.agent.has_rollback and made.agent.last_code == made.agent.memory_failures == 0


def test_the_order_for_an_image_on_trial():
    """All that a board must be able to do confirms it; only then that is told, then errors."""
    made = _Online(is_new=True)
    made.agent.report.unsent.append(errors.OtaError(errors.FLASH))
    assert made.run().calls == ["file host", "connect", "self_test"] + SUBSCRIPTIONS + [
        "firmware/report", "board.confirm", "give_back", "trial.confirm", "progress/report",
        "progress/report", "note_known",
    ]  # fmt: skip
    assert [list(data_of(payload))[0] for payload in made.payloads[1:]] == ["state", "errorCode"]
    assert made.agent.report.unsent == [] and made.agent.restarts == []


def test_that_an_image_is_confirmed_is_told_until_it_is_acknowledged():
    made = _Online()
    made.agent.state["untold"] = "1.1.6"
    assert "progress/report" in made.run().calls and made.agent.state["untold"] is None
    made.calls, made.payloads = [], []
    assert "progress/report" not in made.run().calls


def test_the_file_host_is_asked_by_an_image_on_trial_and_once():
    made = _Online(is_new=True)
    made.agent.is_file_host_known = True
    assert "file host" not in made.run().calls
    assert "file host" not in _Online(is_new=True, can_return=False).run().calls
    assert "file host" not in _Online(can_return=False).run().calls


def test_a_failed_self_test_sends_the_image_back():
    made = _Online(is_new=True, passes=False).run()
    assert made.calls[:4] == ["file host", "connect", "self_test", "self test failed"]
    assert made.agent.restarts == ["trial of 1.1.6: self test failed"]


def test_a_failed_self_test_is_ignored_where_nothing_would_come_back():
    made = _Online(is_new=True, passes=False, can_return=False).run()
    assert made.agent.restarts == [] and "trial.confirm" in made.calls


def test_an_old_image_with_a_trial_on_record_settles_it():
    calls = _Online(on_trial=RECORD).run().calls
    assert "settle" in calls and not {"self_test", "trial.confirm", "give_back"} & set(calls)


def test_a_certificate_that_is_taken_after_all_was_a_matter_of_memory():
    refused = errors.TLS_REFUSED
    for code, is_doubtful, count in ((refused, True, 1), (refused, False, 0), (0, True, 0)):
        made = _Online()
        made.agent.last_code, made.agent.is_time_doubtful = code, is_doubtful
        with recorded_log() as lines:
            made.run()
        assert len([line for line in lines if "TLS refused before" in line]) == count


def _fail(agent, *codes):
    for code in codes:
        run(failure.fail(agent, errors.OtaError(code, "why"), log.uptime_ms()))


def _agent():
    agent = FakeAgent(backoff_min_s=1, backoff_max_s=1)
    agent.sync_due_ms = 1 << 40
    agent.running = dict(RECORD)
    return agent


def test_which_failures_the_server_hears():
    with patched(clock, "random_below", lambda _: 0):
        for code in (errors.TIMEOUT, errors.CONNECTION_FAILED, errors.NO_GOT_IP):
            agent = _agent()
            _fail(agent, code, code)
            assert agent.report.errors == [] and agent.last_code == code and agent.is_cut_off
            assert not agent.link.is_open
        for code in (errors.FLASH, errors.NO_MEM):
            agent = _agent()
            _fail(agent, code, errors.NO_GOT_IP)
            assert agent.report.codes() == [code]
            assert agent.is_cut_off is False, "that was not the network"


def test_a_refused_certificate_is_told_when_it_is_refused_again():
    agent = _agent()
    with patched(clock, "random_below", lambda _: 0), recorded_log() as lines:
        _fail(agent, errors.TLS_REFUSED)
        assert agent.report.errors == [] and lines[-1].startswith("W/ota")
        assert agent.is_time_doubtful and agent.sync_due_ms < 1 << 40
        _fail(agent, errors.TLS_REFUSED)
    assert agent.report.codes() == [errors.TLS_REFUSED]


def test_ten_failures_for_want_of_memory_restart_the_board():
    with patched(clock, "random_below", lambda _: 0):
        agent = _agent()
        _fail(agent, *[errors.NO_MEM] * 9)
        _fail(agent, errors.TIMEOUT)
        _fail(agent, *[errors.NO_MEM] * 9)
        assert agent.restarts == []
        _fail(agent, errors.NO_MEM)
        assert agent.restarts == ["no memory to get online"]


def test_pauses_grow_until_the_board_was_online_for_long():
    agent = FakeAgent(backoff_min_s=1, backoff_max_s=5)
    pauses = []
    with FakeTime() as time, patched(log, "uptime_ms", lambda: 100000):
        with patched(clock, "random_below", lambda limit: limit):
            for online_ms in (0, 0, 0, 0, 5000, 5001, 0):
                before = time.elapsed_ms
                error = errors.OtaError(errors.TIMEOUT)
                run(failure.fail(agent, error, 100000 - online_ms), time.advance)
                pauses.append(time.elapsed_ms - before)
    assert pauses == [1000, 2000, 4000, 5000, 5000, 1000, 2000]


def test_after_the_clock_the_certificates_are_looked_at():
    agent = FakeAgent()
    done = []

    class Sync:
        def __init__(self, of):
            done.append(of)

        def steps(self):
            yield

    with patched(ntp, "Sync", Sync), patched(expiry, "warn", done.append):
        run(ntp.sync(agent))
    assert done == [agent, agent.config]
