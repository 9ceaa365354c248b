"""One update: downloaded into the spare slot, then judged where it lies.

`Update.steps()` is a generator; one step is one block at most. It ends with a record of an image that
is in place, verified and still unable to boot; releasing it is the installer's part.
"""

from . import errors, judge, progress
from .download import Download
from .slot import Slot

_PIECES_AT_FAULT = (errors.CRC_ERROR, errors.SHA256_ECDSA)  # what foreign bytes in the slot lead to


class Update:
    """What is being installed. offer: messages.Offer; partition: the spare slot's block device."""

    def __init__(self, config, offer, partition, chip, tls_context, keys, wifi, journal, reporter):
        """keys: keyring.KeyRing. reporter: reporter.Reporter. The others: see download.Download."""
        self._config = config
        self.offer = offer
        self._keys = keys
        self._journal = journal
        self._progress = progress.Progress(offer.size, reporter.progress)
        self._may_repeat = True
        self.slot = Slot(partition)
        self.download = Download(
            config, offer, self.slot, chip, tls_context, wifi, journal, self._progress, reporter.make_room
        )

    def steps(self):
        """Generator: returns the record of the image. Raises OtaError."""
        try:
            self._progress.enter(progress.START)
            if self.offer.size > self.slot.capacity:
                raise errors.OtaError(errors.FW_OVERFLOW, "slot holds %d" % self.slot.capacity)
            self.download.resume()
            while True:
                yield from self.download.steps()
                self._progress.enter(progress.DOWNLOADED)
                self._progress.enter(progress.UPGRADE_START)
                try:
                    return (yield from self._judge())
                except errors.OtaError as error:
                    self._start_over(error)
        except errors.OtaError:
            self._progress.fail()
            raise

    def _judge(self):
        return judge.judge(self.slot, self.offer, self.download.header, self._keys, self._config)

    def _start_over(self, error):
        """What was pieced together does not verify: once more from byte 0. Raises error if that was it."""
        if error.code not in _PIECES_AT_FAULT or not (self.download.is_pieced and self._may_repeat):
            self._journal.forget()
            raise error
        self._may_repeat = False
        self.download.restart(error.detail)
