"""What a device in a push can be, and what its error codes mean for it."""

from __future__ import annotations

from device import errors
from device.texts_en import TEXTS

# Not offered yet, or to be offered again.
QUEUED, RETRYING = "queued", "retrying"
# With the board: it has the offer, waits for its time, …, runs the new image or is about to run it again.
OFFERED, WAITING, DOWNLOADING = "offered", "waiting", "downloading"
VERIFIED, REBOOTING, TRIAL = "verified", "rebooting", "trial"
CONFIRMED = "confirmed"
FAILED, ROLLED_BACK, SILENT = "failed", "rolled back", "silent"
# Of a push that ended, or of a device that another push has taken over: see recall.py.
NOT_OFFERED = "not offered"
CANCELLING, CANCELLED, NOT_RECALLABLE = "cancelling", "cancelled", "not recallable"

BEGUN = (DOWNLOADING, VERIFIED, REBOOTING, TRIAL)
UNDER_WAY = (OFFERED, WAITING, *BEGUN)
IN_THE_AIR = (RETRYING, *UNDER_WAY)
LOST = (FAILED, ROLLED_BACK, SILENT)
SETTLED = (CONFIRMED, *LOST, NOT_OFFERED, CANCELLED)
ALL = (QUEUED, *IN_THE_AIR, *SETTLED, CANCELLING, NOT_RECALLABLE)
RECALLED = (CANCELLING, NOT_RECALLABLE)  # an offer that may still be at the board

# Of a push, which may be cancelled, too. Offers are made while it runs, and after it is done to a device that
# was silent.
RUNNING, DONE, STOPPED = "running", "done", "stopped"

REVOKED = 0  # as the end of a device's certificate (Unix s): it counts no more

# No second try can end otherwise.
FINAL_CODES = frozenset((
    errors.HEADER_INVALID, errors.CRC_ERROR, errors.FW_OVERFLOW, errors.SHA256_ECDSA, errors.DOWNGRADE,
    errors.SIZE_MISMATCH, errors.BAD_MESSAGE, errors.WRONG_BOARD, errors.NO_SLOT, errors.REFUSED_IMAGE,
    errors.OFFER_SIGNATURE, errors.VERSION_UNKNOWN,
))  # fmt: skip


def words(code: int | None, cause: str | None = None) -> str:
    """An error as a person reads it: "Wrong board (-10037)", with the cause if the device gave one."""
    if code is None:
        return cause or ""
    text = f"{TEXTS.get(code, 'Unknown error')} ({code})"
    return f"{text}: {cause}" if cause else text
