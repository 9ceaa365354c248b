"""What a device in a push can be, and what its error codes mean for it."""

from __future__ import annotations

from device import errors
from device.texts_en import TEXTS

QUEUED, OFFERED, DOWNLOADING = "queued", "offered", "downloading"
VERIFIED, REBOOTING, CONFIRMED = "verified", "rebooting", "confirmed"
FAILED, ROLLED_BACK, SILENT = "failed", "rolled back", "silent"

UNDER_WAY = (OFFERED, DOWNLOADING, VERIFIED, REBOOTING)
LOST = (FAILED, ROLLED_BACK, SILENT)
SETTLED = (CONFIRMED, *LOST)
ALL = (QUEUED, *UNDER_WAY, *SETTLED)

# Of a push. Offers are made while it runs, and after it is done to a device that was silent.
RUNNING, DONE, STOPPED, CANCELLED = "running", "done", "stopped", "cancelled"

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
