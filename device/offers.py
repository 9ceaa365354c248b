"""Which offers are taken: parsed, answered to a question, newer, not refused before; and which waits."""

import binascii

from micropython import const

from . import clock, errors, log, messages, version
from .reporter import log_error

_IMAGE_FAULTS = (
    errors.HEADER_INVALID,
    errors.CRC_ERROR,
    errors.FW_OVERFLOW,
    errors.SHA256_ECDSA,
    errors.SIZE_MISMATCH,
    errors.WRONG_BOARD,
    errors.REFUSED_IMAGE,
    errors.VERSION_UNKNOWN,
)
_PAUSE_MS = const(60_000)
_MAX_PAUSE_MS = const(86_400_000)


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
        self._failed = None  # the last offer whose image was judged bad
        self._failed_code = 0
        self._failed_until = 0  # uptime in ms
        self._failed_pause_ms = 0

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

    def fail(self, error):
        """The accepted offer came to nothing. Where the image itself was to blame, the same offer is
        answered with the same code, without a download, for a while that doubles each time."""
        offer = self.accepted
        if error.code in _IMAGE_FAULTS:
            again = self._is_same(offer, self._failed)
            self._failed_pause_ms = min(2 * self._failed_pause_ms, _MAX_PAUSE_MS) if again else _PAUSE_MS
            self._failed, self._failed_code = offer, error.code
            self._failed_until = log.uptime_ms() + self._failed_pause_ms
        self.finish()
        self._reporter.error(error)

    def _is_same(self, offer, other):
        return (
            other is not None
            and offer.signature == other.signature
            and (offer.url, offer.size) == (other.url, other.size)
        )

    def _check_failures(self, offer):
        if self._is_same(offer, self._failed) and log.uptime_ms() < self._failed_until:
            raise errors.OtaError(self._failed_code, "this offer has failed before")

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
        if self.accepted and self._is_known(offer):
            log.info("offer of %s is known" % offer.version)
            return
        if self.updating:
            raise errors.OtaError(errors.ALREADY_RUNNING, "offer of " + offer.version)
        self._check_version(offer.version)
        self._check_failures(offer)
        if self._state.is_refused("signature", base64(offer.signature)):
            raise errors.OtaError(errors.REFUSED_IMAGE, offer.version)
        if self._config.require_rollback and not self.has_rollback:
            raise errors.OtaError(errors.NO_SLOT, "the boot loader cannot roll back")
        self._board.spare()
        address = offer.url.split("?", 1)[0]  # what follows may be a token
        log.info("Version: %s Size: %d URL: %s" % (offer.version, offer.size, address))
        self.accepted = offer
        self._keep_waiting(offer)

    def _is_known(self, offer):
        """During its update the same image is enough; while it waits, another time or URL is news."""
        if self.updating:
            return offer.signature == self.accepted.signature
        return offer.kept_fields() == self.accepted.kept_fields()

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
