"""device.agent: a board that cannot go on restarts, whatever else it can no longer do."""

from check import patched, raises_code, recorded_log
from fakeagent import FakeAgent
from faketime import FakeTime

from device import agent, errors, files, log, phases, rollback


class _Loop(FakeAgent):
    """Its steps have nothing to do."""

    def __init__(self, **changes):
        FakeAgent.__init__(self, **changes)
        self._steps = iter([50] * 9)

    def on_trial(self):
        self.is_new = self.can_return = True
        self.running = {"version": "1.2.3", "build_time": ""}
        return self


def _at(uptime_s):
    return patched(log, "uptime_ms", lambda: uptime_s * 1000)


def test_a_step_says_how_long_there_is_nothing_to_do():
    made = _Loop()
    fed = []
    made.feed = lambda: fed.append(1)
    assert made.poll() == 50 and fed == [1] and made.restarts == []


def test_a_board_that_cannot_tell_which_image_runs_restarts_and_not_at_once():
    for problem in (MemoryError("full"), errors.OtaError(errors.NO_INIT, "cannot load")):
        made = FakeAgent()
        steps = made._main()

        def fails(*_, problem=problem):
            raise problem

        with FakeTime() as clock, patched(phases, "steps", fails):
            while not made.restarts:
                clock.advance(next(steps))
            assert clock.elapsed_ms >= 10_000 and "which image" in made.restarts[0]


def test_bad_flash_restarts_the_board_and_not_at_once():
    """Or a board whose flash is bad would do nothing but start."""
    made = _Loop()
    with patched(files, "is_broken", True):
        for uptime_s, restarts in ((1, 0), (10, 0), (11, 1)):
            with _at(uptime_s):
                made.poll()
            assert len(made.restarts) == restarts, uptime_s
    assert "flash" in made.restarts[0] and not made.link.is_open


def test_a_trial_that_does_not_end_is_ended():
    made = _Loop(trial_limit_s=600).on_trial()
    made.state["trial"] = {"version": "1.2.3"}
    for uptime_s, restarts in ((600, 0), (601, 1)):
        with _at(uptime_s):
            made.poll()
        assert len(made.restarts) == restarts, uptime_s
    assert "600 s" in made.state["trial"]["cause"] and "1.2.3" in made.restarts[0]
    made.can_return = False
    with _at(9999):
        made.poll()
    assert len(made.restarts) == 1, "a reset would bring back the same image"


def test_a_trial_ends_even_if_its_cause_cannot_be_noted():
    for problem in (MemoryError("full"), errors.OtaError(errors.NO_INIT, "cannot load")):

        def fail(*_, problem=problem):
            raise problem

        made = _Loop(trial_limit_s=600).on_trial()
        with _at(601), patched(rollback, "note_cause", fail), recorded_log() as lines:
            made.poll()
        assert len(made.restarts) == 1
        assert any(line.startswith("E/ota") for line in lines)


def test_a_hook_that_fails_says_no():
    def fail():
        raise ValueError("the application's own")

    assert agent.call_hook(fail) is False
    assert agent.call_hook(lambda: 5) == 5
    made = FakeAgent()
    made._before_reboot = fail
    made.reboot()
    assert len(made.restarts) == 1


def test_an_update_is_due_from_its_time_on():
    made = FakeAgent()
    assert not made.is_due() and not made.is_busy()
    made.offer, made.due = "an offer", 100
    for now, is_due in ((99, False), (100, True)):
        with patched(agent.clock, "now", lambda now=now: now):
            assert made.is_due() is made.is_busy() is is_due
            made.is_updating = True
            assert made.is_busy()
            made.is_updating = False
    made.offer, made.state["trial"] = None, {"version": "1.2.3"}
    assert made.is_busy()


def test_an_offer_that_cannot_be_read_or_loaded_is_told():
    made = FakeAgent()
    made.link.messages.append(("update", b"{"))
    made.check_messages()
    assert made.report.codes() == [errors.BAD_MESSAGE]
    with patched(files, "is_broken", True):
        made.link.messages.append(("update", b"{}"))
        if phases.path():
            raises_code(errors.FLASH, made.check_messages)
        else:
            made.check_messages()
            assert made.report.codes()[1:] == [errors.BAD_MESSAGE]


def test_what_the_network_lacks():
    made = FakeAgent()
    made.check_link()
    made.link.is_open = False
    raises_code(errors.CONNECTION_FAILED, made.check_link)
    made.wlan.is_up = False
    raises_code(errors.NO_GOT_IP, made.check_link)
