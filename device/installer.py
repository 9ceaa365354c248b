"""From an accepted offer to an image that will boot: update, trial record, head, boot selector."""

import gc

from micropython import const

from . import config, errors, log, messages, net
from .journal import Journal
from .updater import Update

_TEND_EACH = const(16)  # steps: looking for messages costs as much as two blocks' reading back


class Installer:
    """Installs one offer at a time. keys: keyring.KeyRing."""

    def __init__(self, settings, board, state, trial, wifi, reporter, keys):
        self._config = settings
        self._board = board
        self._state = state
        self._trial = trial
        self._wifi = wifi
        self._reporter = reporter
        self._keys = keys
        self._journal = Journal("ota_journal")

    def install(self, offers, tend):
        """Generator, a block a step: install offers.accepted, calling tend() now and then. On return
        the next boot is the new image's.

        Raises OtaError, and then nothing in the slot can boot.
        """
        gc.collect()
        offer = offers.accepted
        partition = self._board.spare()
        self._journal.bind(offer)
        offers.start(self._journal.position)
        update = Update(
            self._config,
            offer,
            partition,
            self._board.chip(),
            self._tls_context,
            self._keys,
            self._wifi,
            self._journal,
            self._reporter,
        )
        self._reporter.begin_update()
        record = yield from self._run(update.steps(), tend)
        if self._state.is_refused("digest", record["digest"]):
            raise errors.OtaError(errors.REFUSED_IMAGE, record["version"])
        self._reporter.mention(messages.VERIFIED_DATA, True)  # and so all before it: a reset may follow
        self._trial.begin(record, offer.signature_text)
        try:
            update.slot.release_head()
            self._board.set_boot(partition)
        except (errors.OtaError, MemoryError) as error:
            self._take_back(update.slot)
            raise error

    def _take_back(self, slot):
        self._journal.forget()
        try:
            slot.invalidate()
        except errors.OtaError as error:
            log.error(error.detail)
        self._trial.abandon()

    def _run(self, steps, tend):
        """MicroPython runs no `finally` of a generator that is only dropped: so close it."""
        threshold = gc.threshold()
        gc.threshold(-1)  # no garbage is made, but MicroPython counts the frames of functions
        try:
            while True:
                for _ in range(_TEND_EACH):
                    yield next(steps)
                tend()
        except StopIteration as stop:
            return stop.value
        finally:
            gc.threshold(threshold)
            steps.close()

    def _tls_context(self):
        return net.client_context(config.read_file(self._config.file_ca))
