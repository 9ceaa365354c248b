"""Which image runs, and whether a new one has proved itself: trial, confirm, retry, refuse.

The boot loader gives a new image one boot and returns to the old one at any reset before the
confirm, a power cut too. So an old image that finds a trial tries again, and an attempt counts only
when the old image then reaches the broker at its first try: else power or network were to blame.
"""

from micropython import const

from . import errors, judge, log, version
from .board import POWER_LOSS, label
from .slot import Slot

_UNKNOWN = {"version": "0.0.0", "build_time": ""}
_READ_TRIES = const(3)
_MOST_ADOPTIONS = const(3)
_MOST_EXCUSES = const(10)  # an image that draws too much current, or ruins the network, must end too


class Trial:
    """`running` is the record of the image that runs; `is_new` means it is not confirmed yet.

    network_failed: the old image, too, could not reach the broker at once.
    """

    def __init__(self, state, board, config, keys):
        """keys: keyring.KeyRing."""
        self._state = state
        self._keys = keys
        self._board = board
        self._config = config
        self.running = _UNKNOWN
        self.is_new = False
        self.can_return = False  # a reset would bring back the image before the new one
        self.network_failed = False
        self._adoptions = 0  # that failed

    def identify(self):
        """Generator: find out what runs, by the digest of its slot where a trial is open."""
        self.running = self._state.slots.get(label(self._board.running), _UNKNOWN)
        trial = self._state.trial
        if trial and (yield from self._holds(self._board.running, trial)):
            self.running = trial
            self.is_new = True
            self.can_return = self._board.can_return()
        if self.running is _UNKNOWN:
            log.warning("no record of the running image, taken for 0.0.0")

    def _holds(self, partition, record):
        """Generator: does this partition hold the image of this record? One that cannot be read does not."""
        slot = Slot(partition)
        if record["size"] > slot.capacity:
            return False
        for _ in range(_READ_TRIES):
            try:
                sha, _ = yield from judge.digest(slot, record["size"])
                return sha.hex() == record["digest"]
            except errors.OtaError as error:
                log.error("slot %s: %s" % (label(partition), error.detail))
        return False

    def begin(self, record, signature):
        """Put the image on record, before the first byte of its head is written. The offer stays on
        record too: cut before that byte, the update goes on with it."""
        trial = dict(record)
        trial.update({"signature": signature, "attempts": 0, "excuses": 0})
        self._state.trial = trial
        self._state.save()

    def abandon(self):
        self._state.trial = None
        self._state.save()

    def confirm(self):
        """Record that the boot loader was told to keep the new image. Raises OtaError(FLASH), and may then
        be called again."""
        self.can_return = False
        self._adopt_keys()
        self.is_new = False  # even if no record can be made of it
        state = self._state
        record = {key: self.running[key] for key in ("version", "build_time", "size", "digest")}
        state.slots[label(self._board.running)] = record
        if state.lowest_allowed(record["version"]) == version.parse(record["version"]):
            state.floor = record["version"]
        state.drop_waiting(self.running["signature"])
        state.trial = state.failed = None
        state.save()
        log.info("confirmed %s" % record["version"])

    def _adopt_keys(self):
        """Before the trial is off the record, so that a power cut does not lose it. A board whose keys cannot
        be written goes on with what it has."""
        try:
            self._keys.adopt(self.running.get("signer"), self.running.get("next_key"))
        except errors.OtaError as error:
            self._adoptions += 1
            if self._adoptions < _MOST_ADOPTIONS:
                raise error
            log.error("keys stay as they are: " + error.detail)

    def note_cause(self, cause):
        """For a new image that gives itself up: why, for the old one to report."""
        if self._state.trial is None:
            return
        self._state.trial["cause"] = cause
        try:
            self._state.save()
        except errors.OtaError as error:
            log.error(error.detail)

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
            cause = self._count_attempt(trial) if trial.get("booted", True) else "not booted again yet"
            if trial["attempts"] < self._config.trial_attempts and trial.get("excuses", 0) < _MOST_EXCUSES:
                self._state.save()
                log.warning("%s did not confirm (%s), trying it again" % (trial["version"], cause))
                return partition
            trial["failed"] = cause
            self._state.drop_waiting(trial["signature"])
            self._state.refuse(trial)
            self._state.save()
        self._make_unbootable(partition)
        facts = [("version", trial["version"]), ("cause", str(trial["failed"]))]
        detail = "%s failed its trials: %s" % (trial["version"], trial["failed"])
        raise errors.OtaError(errors.ROLLED_BACK, detail, facts)

    def begin_retry(self):
        """The new image is about to boot once more. Raises OtaError(FLASH)."""
        self._state.trial["booted"] = True
        self._state.save()

    def _count_attempt(self, trial):
        """Once for each boot of the new image. Returns the cause of the reset that ended it."""
        trial["booted"] = False
        cause = trial.pop("cause", None) or self._board.reset_cause()
        excused = self.network_failed or cause == POWER_LOSS
        key = "excuses" if excused else "attempts"
        trial[key] = trial.get(key, 0) + 1
        return cause

    def _make_unbootable(self, partition):
        try:
            Slot(partition).invalidate()
        except errors.OtaError as error:
            log.error("slot of the failed image: %s" % error.detail)
