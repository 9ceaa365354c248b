"""Which offers are taken: parsed, answered to a question, newer, not refused before; and which waits."""

from . import clock, errors, log, messages, version
from .failures import Failures


class Offers:
    """`accepted` is the messages.Offer that waits or is being installed, None = none.

    has_rollback: whether the boot loader can return, as far as is known. updating: an install runs.
    """

    def __init__(self, config, state, trial, board, reporter, keys):
        self._config = config
        self._state = state
        self._trial = trial
        self._board = board
        self._reporter = reporter
        self._keys = keys
        self._failures = Failures(state)
        self.accepted = None
        self.updating = False
        self.has_rollback = False

    def restore(self):
        """Take up again the offer that was waiting, or being installed, when the power went."""
        if self.accepted or not self._state.waiting:
            return
        try:
            offer = messages.Offer(self._state.waiting)
            self._check(offer)
        except errors.OtaError as error:
            self._reporter.error(error)
            self._forget()
        else:
            self.accepted = offer

    def is_due(self):
        offer = self.accepted
        if offer is None or clock.now() < offer.start_at:
            return False
        return not self._failures.pause_left_s(offer)

    def start(self, position):
        """The accepted offer is about to be installed from this byte on. Raises OtaError: OFFER_SIGNATURE if
        it has expired while it waited, FLASH."""
        seal = self.accepted.seal
        if seal and seal.expires <= clock.now():
            raise errors.OtaError(errors.OFFER_SIGNATURE, "the offer has expired")
        self._failures.start(self.accepted, position)

    def fail(self, error):
        """The accepted offer came to nothing. Stored before it is told: cut in between, the board must
        not begin anew what the server believes to be over."""
        self._failures.end(self.accepted, error.code)
        self.updating = False
        self._forget()
        self._reporter.error(error)

    def _forget(self):
        self.accepted = self._state.waiting = None
        try:
            self._state.save()
        except errors.OtaError as problem:
            self._reporter.error(problem)

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
        self._check(offer)
        if self._config.require_rollback and not self.has_rollback:
            raise errors.OtaError(errors.NO_SLOT, "the boot loader cannot roll back")
        self._board.spare()
        address = offer.url.split("?", 1)[0]  # what follows may be a token
        log.info("Version: %s Size: %d URL: %s" % (offer.version, offer.size, address))
        self._keep(offer)
        self.accepted = offer

    def _is_known(self, offer):
        """During its update the same image is enough; while it waits, another time or URL is news."""
        if self.updating:
            return offer.signature == self.accepted.signature
        return offer.kept_fields() == self.accepted.kept_fields()

    def _check(self, offer):
        running = self._trial.running["version"]
        number = version.parse(offer.version)
        if number == version.parse(running):
            raise errors.OtaError(errors.SAME_VERSION, offer.version)
        if number < self._state.lowest_allowed(running):
            raise errors.OtaError(errors.DOWNGRADE, offer.version)
        self._failures.check(offer)
        if self._state.is_refused("signature", offer.signature_text):
            raise errors.OtaError(errors.REFUSED_IMAGE, offer.version)
        self._check_seal(offer.seal)

    def _check_seal(self, seal):
        """The offer's own signature: last, because it takes longest."""
        if seal is None:
            if self._config.require_signed_offer:
                raise errors.OtaError(errors.OFFER_SIGNATURE, "the offer is not signed")
        elif seal.kind != self._config.image or seal.expires <= clock.now():
            raise errors.OtaError(errors.OFFER_SIGNATURE, "the offer has expired, or is of another kind")
        elif self._keys.signer(seal.digest, seal.signature) is None:
            raise errors.OtaError(errors.OFFER_SIGNATURE, "the offer is not signed by the owner")

    def _keep(self, offer):
        """Store it: the update goes on by itself after a power cut."""
        if offer.start_at > clock.now():
            log.info("update waits until %d" % offer.start_at)
        pause_s = self._failures.pause_left_s(offer)
        if pause_s:
            log.warning("this offer has failed before: it waits %d s" % pause_s)
        self._state.waiting = offer.kept_fields()
        self._state.save()
