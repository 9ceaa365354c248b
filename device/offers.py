"""Which offers are taken: parsed, answered to a question, newer, not refused before; and which waits."""

import binascii

from . import clock, errors, log, messages, version
from .reporter import log_error


class Offers:
    """`accepted` is the messages.Offer that waits or is being installed, None = none.

    has_rollback: whether the boot loader can return, as far as is known. updating: an install runs.
    """

    def __init__(self, config, state, trial, board, reporter):
        self._config = config
        self._state = state
        self._trial = trial
        self._board = board
        self._reporter = reporter
        self.accepted = None
        self.updating = False
        self.has_rollback = False

    def restore(self):
        """Take up again the offer that was waiting when the power went."""
        if self._state.waiting:
            try:
                self.accepted = messages.Offer(self._state.waiting)
            except errors.OtaError as error:
                log_error(error)

    def is_due(self):
        return self.accepted is not None and clock.now() >= self.accepted.start_at

    def finish(self):
        """The accepted offer is done with, well or badly."""
        self.updating = False
        self.accepted = None
        if self._state.waiting:
            self._state.waiting = None
            self._state.save()

    def take(self, name, payload):
        """name: messages.UPDATE or RESPONSE; payload: bytes from the broker. Reports what is wrong."""
        try:
            sequence, offer = messages.parse_offer(payload)
            if name == messages.RESPONSE and not self._is_news(sequence, offer):
                return
            self._consider(offer)
        except errors.OtaError as error:
            self._reporter.error(error)

    def _is_news(self, sequence, offer):
        if not self._reporter.is_answer(sequence):
            log.warning("response %d ignored: nobody asked" % sequence)
            return False
        if offer.version == self._trial.running["version"]:
            log.info("nothing newer than %s" % offer.version)
            return False
        return True

    def _consider(self, offer):
        """Accept an offer or raise OtaError."""
        if self.accepted and offer.signature == self.accepted.signature:
            log.info("offer of %s is known" % offer.version)
            return
        if self.updating:
            raise errors.OtaError(errors.ALREADY_RUNNING, "offer of " + offer.version)
        self._check_version(offer.version)
        if self._state.is_refused("signature", base64(offer.signature)):
            raise errors.OtaError(errors.REFUSED_IMAGE, offer.version)
        if self._config.require_rollback and not self.has_rollback:
            raise errors.OtaError(errors.NO_SLOT, "the boot loader cannot roll back")
        self._board.spare()
        address = offer.url.split("?", 1)[0]  # what follows may be a token
        log.info("Version: %s Size: %d URL: %s" % (offer.version, offer.size, address))
        self.accepted = offer
        self._keep_waiting(offer)

    def _check_version(self, offered):
        running = self._trial.running["version"]
        number = version.parse(offered)
        if number == version.parse(running):
            raise errors.OtaError(errors.SAME_VERSION, offered)
        if number < self._state.lowest_allowed(running):
            raise errors.OtaError(errors.DOWNGRADE, offered)

    def _keep_waiting(self, offer):
        """Store an offer whose time has not come; it replaces one that was waiting."""
        waits = offer.start_at > clock.now()
        if waits:
            log.info("update waits until %d" % offer.start_at)
        if waits or self._state.waiting:
            self._state.waiting = offer.kept_fields() if waits else None
            self._state.save()


def base64(data):
    return binascii.b2a_base64(data).decode().strip()
