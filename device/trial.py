"""Which image runs, and whether a new one has proved itself: trial, confirm, retry, refuse.

The boot loader gives a new image one boot and returns to the old one at any reset before the
confirm, a power cut too. So an old image that finds a trial tries again, and an attempt counts only
when the old image then reaches the broker itself: else the network was to blame, not the image.
"""

from . import errors, judge, log, version
from .board import label
from .slot import Slot

_UNKNOWN = {"version": "0.0.0", "build_time": ""}


class Trial:
    """`running` is the record of the image that runs; `is_new` means it is not confirmed yet."""

    def __init__(self, state, board, config):
        self._state = state
        self._board = board
        self._config = config
        self.running = _UNKNOWN
        self.is_new = False

    def identify(self):
        """Generator: find out what runs, by the digest of its slot where a trial is open."""
        self.running = self._state.slots.get(label(self._board.running), _UNKNOWN)
        trial = self._state.trial
        if trial and (yield from self._holds(self._board.running, trial)):
            self.running = trial
            self.is_new = True
        if self.running is _UNKNOWN:
            log.warning("no record of the running image, taken for 0.0.0")

    def _holds(self, partition, record):
        """Generator: does this partition hold the image of this record?"""
        slot = Slot(partition)
        if record["size"] > slot.capacity:
            return False
        sha, _ = yield from judge.digest(slot, record["size"])
        return sha.hex() == record["digest"]

    def begin(self, record, signature):
        """Put the image on record, before the first byte of its head is written."""
        trial = dict(record)
        trial.update({"signature": signature, "attempts": 0})
        self._state.trial = trial
        self._state.waiting = None
        self._state.save()

    def abandon(self):
        self._state.trial = None
        self._state.save()

    def confirm(self):
        """Record that the boot loader was told to keep the new image. Raises OtaError(FLASH)."""
        state = self._state
        record = {key: self.running[key] for key in ("version", "build_time", "size", "digest")}
        state.slots[label(self._board.running)] = record
        if state.lowest_allowed(record["version"]) == version.parse(record["version"]):
            state.floor = record["version"]
        state.trial = None
        state.save()
        self.is_new = False
        log.info("confirmed %s" % record["version"])

    def settle_return(self):
        """Generator, for an old image that has reached the broker: returns the partition of a new image
        that gets another boot, None if its trial never began.

        Raises OtaError(ROLLED_BACK) when its trials are over, at each start until `abandon()`.
        """
        trial = self._state.trial
        partition = self._board.spare()
        if not trial.get("failed"):
            if not (yield from self._holds(partition, trial)):
                log.warning("trial of %s never began" % trial["version"])
                self.abandon()
                return None
            trial["attempts"] += 1
            if trial["attempts"] < self._config.trial_attempts:
                self._state.save()
                log.warning("%s did not confirm, trying it again" % trial["version"])
                return partition
            trial["failed"] = True
            self._state.refuse(trial)
            self._state.save()
        self._make_unbootable(partition)
        raise errors.OtaError(errors.ROLLED_BACK, "%s failed its trials" % trial["version"])

    def _make_unbootable(self, partition):
        try:
            Slot(partition).invalidate()
        except errors.OtaError as error:
            log.error("slot of the failed image: %s" % error.detail)
