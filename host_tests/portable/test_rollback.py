"""device.rollback: what becomes of an image that did not confirm."""

from check import patched, run
from faketrial import BLOCK, NEW, SIGNATURE, Board

from device import errors, guard, log, rollback

PROVES = {errors.ROLLED_BACK: "test_the_verdict_is_repeated_until_it_was_told"}

WAIT = 50  # ms, what an idle step yields


def _settle(agent):
    """What becomes of the trial: the cause of a verdict, "again", None if there was no trial."""
    run(rollback.settle(agent))
    if agent.restarts:
        return "again"
    return dict(agent.report.errors[-1].facts)["cause"] if agent.report.errors else None


def _counts(agent):
    return agent.state["trial"]["attempts"], agent.state["trial"]["excuses"]


def test_a_trial_that_never_began_costs_nothing():
    """Cut before the head was written: the slot does not hold the image."""
    with Board() as made:
        made.begin()
        made.spare.data[:64] = b"\xff" * 64
        agent = made.start()
        assert _settle(agent) is None and made.selected is None
        assert made.start().state["trial"] is None and agent.state["refused"] == []


def test_attempts_are_counted_across_starts():
    with Board() as made:
        agent = made.begin(trial_attempts=3)
        for count in (1, 2):
            assert _settle(agent) == "again" and made.selected is made.spare
            agent = made.start(trial_attempts=3)
            assert _counts(agent) == (count, 0)
        assert _settle(agent) == "reset" and agent.report.codes() == [errors.ROLLED_BACK]
        assert made.selected is None


def test_the_verdict_is_repeated_until_it_was_told():
    """Power may go between the verdict and its report, and the slot is erased by then."""
    with Board() as made:
        agent = made.begin(trial_attempts=1)
        for _ in range(2):
            agent.report.unsent.append("cannot be told now")
            assert _settle(agent) == "reset" and agent.report.codes() == [errors.ROLLED_BACK]
            assert bytes(made.spare.data[:BLOCK]) == b"\xff" * BLOCK
            agent = made.start(trial_attempts=1)
            assert [entry["version"] for entry in agent.state["refused"]] == ["1.2.3"]
            assert agent.state["trial"]["failed"] == "reset"
        assert _settle(agent) == "reset"
        assert made.start().state["trial"] is None


def test_a_power_cut_does_not_count():
    with Board() as made:
        made.cause = "power loss"
        agent = made.begin(trial_attempts=1)
        for count in range(1, 10):
            assert _settle(agent) == "again"
            agent = made.start(trial_attempts=1)
            assert _counts(agent) == (0, count)
        assert _settle(agent) == "power loss", "nor does it excuse for ever"


def _gives_up(made, uptime_s=601, is_cut_off=True, was_reached=False):
    """The new image runs, and gives itself up. Returns the old one's agent after that."""
    made.running, made.spare = made.spare, made.running
    agent = made.start()
    assert agent.is_new
    agent.is_cut_off, agent.link.was_reached = is_cut_off, was_reached
    with patched(log, "uptime_ms", lambda: uptime_s * 1000):
        rollback.note_cause(agent, "not confirmed")
    made.running, made.spare = made.spare, made.running
    return made.start(trial_attempts=1)


def test_a_trial_that_saw_no_network_to_its_limit_does_not_count():
    """Ten times: an image that ruins the network must end too."""
    with Board() as made:
        made.begin()
        for count in range(1, 10):
            agent = _gives_up(made)
            assert _settle(agent) == "again" and _counts(agent) == (0, count)
        assert _settle(_gives_up(made)) == "not confirmed"


def test_a_trial_that_saw_the_broker_or_never_tried_counts():
    for facts in ({"was_reached": True}, {"is_cut_off": None}, {"is_cut_off": False}, {"uptime_s": 600}):
        with Board() as made:
            made.begin()
            assert _settle(_gives_up(made, **facts)) == "not confirmed", facts


def test_what_one_boot_saw_says_nothing_of_the_next():
    """Cut off once, then it dies."""
    with Board() as made:
        made.begin()
        assert _settle(_gives_up(made)) == "again"
        assert _settle(made.start(trial_attempts=1)) == "reset"


def test_what_the_old_image_meets_does_not_excuse_the_new_one():
    with Board() as made:
        agent = made.begin(trial_attempts=1)
        agent.is_cut_off = True
        assert _settle(agent) == "reset"


def test_what_main_did_wrong_counts_whatever_else_failed():
    """Power and network are no excuse for an exception; and it is told once."""
    with Board() as made:
        agent = made.begin(trial_attempts=3)
        agent.state["trial"]["cut_off"], made.cause = True, "power loss"
        guard.note_cause("ImportError: no module named 'x'")
        assert _settle(agent) == "again" and _counts(agent) == (1, 0)
        agent = made.start(trial_attempts=3)
        assert _settle(agent) == "again" and _counts(agent)[0] == 1
        agent = made.start(trial_attempts=1)
        guard.note_cause("ImportError: no module named 'x'")
        assert _settle(agent) == "ImportError: no module named 'x'"


def test_the_verdict_names_version_and_cause():
    with Board() as made:
        made.cause = "watchdog"
        agent = made.begin(trial_attempts=1)
        _settle(agent)
        assert agent.report.errors[0].facts == [("version", "1.2.3"), ("cause", "watchdog")]


def test_a_new_image_leaves_its_cause_behind():
    with Board() as made:
        made.begin(trial_attempts=1)
        running, made.running = made.running, made.spare
        agent = made.start()
        assert agent.is_new
        rollback.note_cause(agent, "self test failed")
        made.running = running
        agent = made.start(trial_attempts=1)
        _settle(agent)
        assert agent.report.errors[0].facts == [("version", "1.2.3"), ("cause", "self test failed")]


def test_a_cause_that_cannot_be_recorded_or_belongs_to_nothing():
    with Board() as made:
        agent = made.begin()
        agent.save_fails = True
        rollback.note_cause(agent, "x")
        agent.state["trial"] = None
        rollback.note_cause(agent, "x")
        assert agent.state["trial"] is None


def test_a_boot_counts_once_however_often_the_old_image_starts():
    """The application may make the retry wait, and the old image be reset meanwhile."""
    with Board() as made:
        agent = made.begin(trial_attempts=3)
        for _ in range(5):
            agent.may_start = lambda: False
            settle = rollback.settle(agent)
            while next(settle) != WAIT:
                pass  # the slot is read
            assert next(settle) == WAIT and made.selected is None
            agent = made.start(trial_attempts=3)
            assert _counts(agent) == (1, 0)
        assert _settle(agent) == "again"
        agent = made.start(trial_attempts=3)
        assert _settle(agent) == "again" and _counts(agent) == (2, 0)


def test_a_retry_that_waits_looks_after_the_link():
    for break_it, code in (("link", errors.CONNECTION_FAILED), ("wlan", errors.NO_GOT_IP)):
        with Board() as made:
            agent = made.begin(trial_attempts=3)
            agent.may_start = lambda: False
            settle = rollback.settle(agent)
            while next(settle) != WAIT:
                pass
            if break_it == "link":
                agent.link.is_open = False
            else:
                agent.wlan.is_up = False
            try:
                next(settle)
                raise AssertionError("it waits on")
            except errors.OtaError as error:
                assert error.code == code


def test_a_slot_that_cannot_be_read_ends_in_no_loop():
    with Board() as made:
        agent = made.begin()
        with patched(made.spare, "readblocks", _fails):
            assert _settle(agent) is None
        assert agent.state["trial"] is None


def _fails(*_):
    raise OSError(5, "flash")


def test_bad_flash_does_not_hide_the_verdict():
    with Board() as made:
        agent = made.begin(trial_attempts=1)
        settle = rollback.settle(agent)
        next(settle)  # both blocks were read
        made.spare.fail_at = made.spare.operations + 1  # after the head is looked at: the erase
        run(settle)
        assert agent.report.codes() == [errors.ROLLED_BACK]
        assert bytes(made.spare.data[: len(NEW)]) == NEW


def test_what_fails_its_trials_is_no_longer_waiting():
    for signature, left in ((SIGNATURE, None), ("b3RoZXI=", {"sig-sha256-ecdsa": "b3RoZXI="})):
        with Board() as made:
            agent = made.begin(trial_attempts=1)
            agent.state["waiting"] = {"sig-sha256-ecdsa": signature}
            _settle(agent)
            assert agent.state["waiting"] == left
