"""From an accepted offer to an image that will boot: update, trial record, head, boot selector."""

from . import config, errors, net
from .offers import base64
from .updater import Update


class Installer:
    """Installs one offer at a time. key: the owner's public key."""

    def __init__(self, settings, board, state, trial, wifi, reporter, key):
        self._config = settings
        self._board = board
        self._state = state
        self._trial = trial
        self._wifi = wifi
        self._reporter = reporter
        self._key = key

    def install(self, offer, tend):
        """Generator, a block a step; calls tend() after each. On return the next boot is the new image's.

        Raises OtaError, and then nothing in the slot can boot.
        """
        partition = self._board.spare()
        update = Update(
            self._config,
            offer,
            partition,
            self._board.chip(),
            self._file_context,
            self._key,
            self._wifi,
            self._reporter.progress,
        )
        self._reporter.begin_update()
        record = yield from self._run(update.steps(), tend)
        if self._state.is_refused("digest", record["digest"]):
            raise errors.OtaError(errors.REFUSED_IMAGE, record["version"])
        self._trial.begin(record, base64(offer.signature))
        try:
            update.slot.release_head()
            self._board.set_boot(partition)
        except errors.OtaError:
            update.slot.invalidate()
            self._trial.abandon()
            raise

    def _run(self, steps, tend):
        """MicroPython runs no `finally` of a generator that is only dropped: so close it."""
        try:
            while True:
                try:
                    yield next(steps)
                except StopIteration as stop:
                    return stop.value
                tend()
        finally:
            steps.close()

    def _file_context(self):
        return net.client_context(config.read_file(self._config.file_ca))
