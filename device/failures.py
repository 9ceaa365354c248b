"""The offer that failed last, kept over reboots, and when it may be tried again: no endless loops.

Failing the same way again doubles the pause. So does starting again and again without a checkpoint
more than the last time: a board that is reset in the middle of each try must not spend its life on it.
And many bad images in a row make every offer wait: several that take turns must not wear out the flash.
"""

from micropython import const

from . import clock, errors
from .state import FAILED_KEYS

IMAGE_FAULTS = (  # no second try can end otherwise
    errors.HEADER_INVALID,
    errors.CRC_ERROR,
    errors.FW_OVERFLOW,
    errors.SHA256_ECDSA,
    errors.SIZE_MISMATCH,
    errors.WRONG_BOARD,
    errors.REFUSED_IMAGE,
    errors.OFFER_SIGNATURE,
    errors.VERSION_UNKNOWN,
)
_FREE_STARTS = const(4)  # power cuts are no reason to wait
_PAUSE_S = const(60)
_MAX_PAUSE_S = const(86400)
_FREE_FAULTS = const(8)  # bad images of any offers, since the last good one
_MAX_REST_S = const(3600)


class Failures:
    """state.failed: `offer` says which; starts and position (of its journal) since the last checkpoint;
    code and count of its failures; until (Unix s). Of all offers: faults (bad images in a row), and
    rest (until when all must wait, Unix s)."""

    def __init__(self, state):
        self._state = state

    def start(self, offer, position):
        """An update to this offer is about to begin at this byte. Raises OtaError(FLASH)."""
        entry = self._entry(offer)
        goes_on = position <= entry["position"]
        entry["starts"] = entry["starts"] + 1 if goes_on else 1
        entry["position"] = position
        self._set_pause(entry, entry["starts"] - _FREE_STARTS)
        self._state.save()

    def end(self, offer, code):
        """It came to nothing. To be saved with the rest of the state."""
        entry = self._entry(offer)
        entry["starts"] = entry["position"] = 0
        entry["count"] = entry["count"] + 1 if entry["code"] == code else 1
        entry["code"] = code
        self._set_pause(entry, entry["count"] - (code not in IMAGE_FAULTS))
        if code in IMAGE_FAULTS:
            entry["faults"] = entry["faults"] + 1
            rest_s = _doubled(entry["faults"] - _FREE_FAULTS, _MAX_REST_S)
            entry["rest"] = clock.now() + rest_s

    def pause_left_s(self, offer):
        """Seconds until this offer may be tried again, 0 if it may."""
        failed = self._state.failed
        if not failed:
            return 0
        left_s = failed["rest"] - clock.now()
        if left_s > _MAX_REST_S:  # the clock was wrong then
            left_s = 0
        if self._is_same(offer) and failed["until"] - clock.now() <= _MAX_PAUSE_S:
            left_s = max(left_s, failed["until"] - clock.now())
        return max(left_s, 0)

    def check(self, offer):
        """Raises OtaError with the code of its failure as long as the image is known to be bad."""
        if self._is_same(offer) and self.pause_left_s(offer) and self._state.failed["code"] in IMAGE_FAULTS:
            raise errors.OtaError(self._state.failed["code"], "this offer has failed before")

    def _entry(self, offer):
        if not self._is_same(offer):
            before = self._state.failed or {}
            entry = self._state.failed = {"offer": _identity(offer)}
            for key in FAILED_KEYS:
                entry[key] = before.get(key, 0) if key in ("faults", "rest") else 0
        return self._state.failed

    def _is_same(self, offer):
        return self._state.failed is not None and self._state.failed.get("offer") == _identity(offer)

    @staticmethod
    def _set_pause(entry, number):
        """number: of the failures that were no accident."""
        entry["until"] = clock.now() + _doubled(number, _MAX_PAUSE_S)


def _doubled(number, most_s):
    """A minute, two, four … for the numbers from 1 on, at most most_s."""
    return min(_PAUSE_S << min(number - 1, 12), most_s) if number > 0 else 0


def _identity(offer):
    """Without what follows a "?": a token that is new each time does not make another offer."""
    return [offer.version, offer.signature_text, offer.url.split("?", 1)[0], offer.size]
