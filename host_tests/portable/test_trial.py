"""device.trial: how the trial of an image begins, and what it leaves when it ends well."""

import makeoffer
from check import patched, raises, raises_code
from fakeagent import FakeAgent
from faketrial import FILE, NEW, SIGNATURE, Board, Transfer, record

from device import board, clock, download, errors, rollback, trial

RECORD = ("version", "build_time", "size", "digest")


def _begin(made):
    """An agent before the trial begins, and what begins it."""
    agent = FakeAgent(FILE)
    agent.offer = makeoffer.offer()
    return agent, lambda: trial.begin(Transfer(agent, made.spare), record())


def _cannot(*_):
    raise errors.OtaError(errors.FLASH, "full")


def test_the_record_comes_first_then_the_head_then_the_boot_selector():
    with Board() as made:
        agent, begin = _begin(made)
        agent.state["waiting"] = {"version": "1.2.3"}
        agent.save_fails = True
        raises_code(errors.FLASH, begin)
        assert made.spare.writes == [] and made.selected is None
        agent.save_fails = False
        made.spare.fail_at = made.spare.operations
        raises_code(errors.FLASH, begin)
        assert made.selected is None
        begin()
        assert bytes(made.spare.data[: len(NEW)]) == NEW and made.selected is made.spare
        kept = FakeAgent(FILE).state
        assert kept["waiting"] == {"version": "1.2.3"}, "cut before the head was written, the update goes on"
        expected = dict(record())
        expected.update({"signature": SIGNATURE, "attempts": 0, "excuses": 0})
        assert kept["trial"] == expected
        assert agent.report.added[-1] == '{"state": "verified"}'


def test_an_image_that_the_boot_loader_refuses_leaves_nothing_that_boots():
    for problem in (errors.OtaError(errors.HEADER_INVALID, "refused"), MemoryError("full")):
        with Board() as made:
            agent, begin = _begin(made)

            def refuse(_, problem=problem):
                raise problem

            forgotten = []
            with patched(board, "set_boot", refuse), patched(download, "forget", forgotten.append):
                assert raises(type(problem), begin) is problem
            assert bytes(made.spare.data[:64]) == b"\xff" * 64
            assert forgotten == [agent.offer] and FakeAgent(FILE).state["trial"] is None


def test_confirm_moves_the_record_to_the_slot_and_raises_the_minimum_version():
    with Board(running=NEW) as made:
        agent = made.begin()
        trial.confirm(agent)
        state = FakeAgent(FILE).state
        assert state["trial"] is None and state["floor"] == state["untold"] == "1.2.3"
        assert state["slots"]["ota_0"] == {key: record()[key] for key in RECORD}
        agent = made.start()
        assert not agent.is_new and agent.running["version"] == "1.2.3"


def test_confirm_dates_what_a_release_of_before_has_refused():
    with Board(running=NEW) as made:
        agent = made.begin()
        agent.state["refused"] = [makeoffer.refused("ab" * 32)]
        with patched(clock, "now", lambda: 1800000000):
            trial.confirm(agent)
        assert FakeAgent(FILE).state["refused"][0]["at"] == 1800000000


def test_the_floor_is_never_lowered():
    versions = ((None, "1.2.3"), ("1.2.3", "1.2.3"), ("1.2.2", "1.2.3"), ("1.10.0", "1.10.0"), (7, "1.2.3"))
    for min_version, after in versions:
        with Board(running=NEW) as made:
            agent = made.begin()
            agent.state["floor"] = min_version
            trial.confirm(agent)
            assert agent.state["floor"] == after, min_version


def test_an_image_that_names_no_version_never_raises_the_minimum_version():
    for min_version in (None, "1.2.2"):
        with Board(running=NEW) as made:
            agent = made.begin()
            agent.state["floor"] = min_version
            agent.running["unversioned"] = True
            trial.confirm(agent)
            state = FakeAgent(FILE).state
            assert state["floor"] == min_version and state["slots"]["ota_0"]["unversioned"] is True


def test_a_record_that_cannot_be_saved_does_not_undo_the_confirm():
    with Board(running=NEW) as made:
        agent = made.begin()
        assert agent.is_new and agent.can_return
        agent.save_fails = True
        raises_code(errors.FLASH, trial.confirm, agent)
        assert not agent.is_new and not agent.can_return
        rollback.note_cause(agent, "too late")


def test_the_offer_is_kept_until_its_image_is_confirmed():
    for signature, left in ((SIGNATURE, None), ("b3RoZXI=", {"sig-sha256-ecdsa": "b3RoZXI="})):
        with Board(running=NEW) as made:
            agent = made.begin()
            agent.state["waiting"] = {"sig-sha256-ecdsa": signature}
            trial.confirm(agent)
            assert agent.state["waiting"] == left


def test_what_had_failed_before_is_over():
    with Board(running=NEW) as made:
        agent = made.begin()
        agent.state["failed"] = {"code": errors.TIMEOUT}
        trial.confirm(agent)
        assert FakeAgent(FILE).state["failed"] is None


def test_keys_that_cannot_be_adopted_are_tried_again_and_keep_nobody_offline():
    with Board(running=NEW) as made:
        agent = made.begin()
        with patched(trial, "adopt_keys", _cannot):
            for _ in range(2):
                raises_code(errors.FLASH, trial.confirm, agent)
                assert agent.is_new and agent.state["trial"] and not agent.can_return
            trial.confirm(agent)
        assert not agent.is_new and agent.state["trial"] is None


def test_keys_are_adopted_before_the_trial_is_off_the_record():
    with Board(running=NEW) as made:
        agent = made.begin()
        agent.save_fails = True
        raises_code(errors.FLASH, trial.confirm, agent)
        assert made.adopted == [(None, None)]


def test_an_offer_that_was_taken_back_in_the_last_moment_is_not_begun():
    with Board() as made:
        agent, _ = _begin(made)
        transfer = Transfer(agent, made.spare)
        for successor in (None, makeoffer.offer()):
            agent.offer = successor
            raises_code(errors.ALREADY_RUNNING, trial.begin, transfer, record())
        assert agent.saves == 0 and agent.state["trial"] is None and made.spare.writes == []
