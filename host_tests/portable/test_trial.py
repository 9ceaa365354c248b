"""device.trial: which image runs, and what becomes of one that does not confirm."""

import hashlib
import os

from check import patched, raises_code, run, settings
from fakekeys import Keys
from makeimage import content
from nor import Nor

from device import errors
from device.state import State
from device.trial import Trial

PROVES = {errors.ROLLED_BACK: "test_the_verdict_is_repeated_until_it_was_told"}

FILE = "trial.json"
NEW = content(5000)


class Partition(Nor):
    """A slot that holds an image."""

    def __init__(self, label, data):
        super().__init__(2, fill=0xFF)
        self.label = label
        self.data[: len(data)] = data

    def info(self):
        return (0, 0, 0, 0, self.label, False)


class Board:
    """Runs ota_0; the new image lies in ota_1."""

    def __init__(self, spare=NEW, running=b"old"):
        self.running = Partition("ota_0", running)
        self._spare = Partition("ota_1", spare)
        self.cause = "reset"

    def spare(self):
        return self._spare

    def reset_cause(self):
        return self.cause

    def can_return(self):
        return True


def _record(**more):
    record = {"version": "1.2.3", "build_time": "", "size": len(NEW)}
    record["digest"] = hashlib.sha256(NEW).digest().hex()
    record.update(more)
    return record


def _trial(board, attempts=1, begin=True):
    """A Trial on the state that a board finds after a start."""
    if begin:
        _forget()
        first = Trial(State(FILE), board, settings(trial_attempts=attempts), Keys())
        first.begin(_record(), "c2ln")
    state = State(FILE)
    trial = Trial(state, board, settings(trial_attempts=attempts), Keys())
    run(trial.identify())
    return trial, state


def _forget():
    for name in (FILE, FILE + ".new"):
        try:
            os.remove(name)
        except OSError:
            pass


def test_no_record_is_version_zero():
    _forget()
    trial, _ = _trial(Board(), begin=False)
    assert trial.running["version"] == "0.0.0" and not trial.is_new


def test_the_new_image_is_known_by_its_digest():
    trial, _ = _trial(Board(running=NEW))
    assert trial.is_new and trial.running["version"] == "1.2.3"
    trial, _ = _trial(Board(running=NEW[:-1] + b"\0"))
    assert not trial.is_new


def test_confirm_moves_the_record_to_the_slot_and_raises_the_floor():
    board = Board(running=NEW)
    trial, state = _trial(board)
    trial.confirm()
    assert state.trial is None and state.floor == "1.2.3"
    trial, _ = _trial(board, begin=False)
    assert not trial.is_new and trial.running["version"] == "1.2.3"


def test_a_trial_that_never_began_costs_nothing():
    """Cut before the head was written: the slot does not hold the image."""
    trial, state = _trial(Board(spare=b"\xff" * 64 + NEW[64:]))
    assert run(trial.settle_return()) is None
    assert state.trial is None and state.refused == []


def test_attempts_are_counted_across_starts():
    board = Board()
    trial, _ = _trial(board, attempts=3)
    for count in (1, 2):
        assert run(trial.settle_return()) is board.spare()
        trial.begin_retry()
        trial, state = _trial(board, attempts=3, begin=False)
        assert state.trial["attempts"] == count
    raises_code(errors.ROLLED_BACK, run, trial.settle_return())


def test_the_verdict_is_repeated_until_it_was_told():
    """Power may go between the verdict and its report, and the slot is erased by then."""
    board = Board()
    trial, _ = _trial(board)
    raises_code(errors.ROLLED_BACK, run, trial.settle_return())
    assert bytes(board.spare().data[:4096]) == b"\xff" * 4096
    trial, state = _trial(board, begin=False)
    raises_code(errors.ROLLED_BACK, run, trial.settle_return())
    assert [entry["version"] for entry in state.refused] == ["1.2.3"]
    trial.abandon()
    assert _trial(board, begin=False)[1].trial is None


def test_a_power_cut_does_not_count():
    board = Board()
    board.cause = "power loss"
    trial, _ = _trial(board)
    for count in range(1, 10):
        assert run(trial.settle_return()) is board.spare()
        trial.begin_retry()
        trial, state = _trial(board, begin=False)
        assert (state.trial["attempts"], state.trial["excuses"]) == (0, count)
    raises_code(errors.ROLLED_BACK, run, trial.settle_return())  # nor does it excuse for ever


def test_a_network_that_failed_for_the_old_image_too_does_not_count():
    trial, state = _trial(Board())
    trial.network_failed = True
    run(trial.settle_return())
    assert (state.trial["attempts"], state.trial["excuses"]) == (0, 1)


def test_the_verdict_names_version_and_cause():
    board = Board()
    board.cause = "watchdog"
    error = raises_code(errors.ROLLED_BACK, run, _trial(board)[0].settle_return())
    assert error.facts == [("version", "1.2.3"), ("cause", "watchdog")]


def test_a_new_image_leaves_its_cause_behind():
    first, _ = _trial(Board(running=NEW))
    first.note_cause("self test failed")
    error = raises_code(errors.ROLLED_BACK, run, _trial(Board(), begin=False)[0].settle_return())
    assert error.facts == [("version", "1.2.3"), ("cause", "self test failed")]


def test_a_boot_counts_once_however_often_the_old_image_starts():
    """The application may make the retry wait, and the old image be reset meanwhile."""
    board = Board()
    trial, _ = _trial(board, attempts=3)
    for _ in range(5):
        assert run(trial.settle_return()) is board.spare()
        trial, state = _trial(board, attempts=3, begin=False)
        assert state.trial["attempts"] == 1
    trial.begin_retry()
    trial, state = _trial(board, attempts=3, begin=False)
    run(trial.settle_return())
    assert state.trial["attempts"] == 2


def test_a_record_that_cannot_be_saved_does_not_undo_the_confirm():
    trial, state = _trial(Board(running=NEW))
    assert trial.is_new and trial.can_return
    state._path = "no/such/folder/state.json"
    raises_code(errors.FLASH, trial.confirm)
    assert not trial.is_new and not trial.can_return
    trial.note_cause("too late")


def test_a_slot_that_cannot_be_read_ends_in_no_loop():
    board = Board()
    trial, state = _trial(board)
    board.spare().readblocks = _fails
    assert run(trial.settle_return()) is None and state.trial is None


def _fails(*_):
    raise OSError(5, "flash")


def test_the_offer_is_kept_until_its_image_is_confirmed():
    for signature, left in (("c2ln", None), ("b3RoZXI=", {"sig-sha256-ecdsa": "b3RoZXI="})):
        board = Board(running=NEW)
        trial, state = _trial(board)
        state.waiting = {"sig-sha256-ecdsa": signature}
        trial.confirm()
        assert state.waiting == left


def test_bad_flash_does_not_hide_the_verdict():
    board = Board()
    trial, _ = _trial(board)
    settle = trial.settle_return()
    next(settle)  # the first block was read
    board.spare().fail_at = board.spare().operations + 1  # after the second and last: the erase
    raises_code(errors.ROLLED_BACK, run, settle)
    assert bytes(board.spare().data[: len(NEW)]) == NEW


def test_keys_that_cannot_be_adopted_are_tried_again_and_keep_nobody_offline():
    board = Board(running=NEW)
    trial, state = _trial(board)
    failing = patched(trial._keys, "adopt", _cannot)
    with failing:
        for _ in range(2):
            raises_code(errors.FLASH, trial.confirm)
            assert trial.is_new and state.trial and not trial.can_return
        trial.confirm()
    assert not trial.is_new and state.trial is None


def _cannot(*_):
    raise errors.OtaError(errors.FLASH, "full")


def test_keys_are_adopted_before_the_trial_is_off_the_record():
    board = Board(running=NEW)
    trial, state = _trial(board)
    state._path = "no/such/folder/state.json"
    raises_code(errors.FLASH, trial.confirm)
    assert trial._keys.adopted == [(None, None)]
