"""What a device in a push can be, and what its error codes mean for it."""

from __future__ import annotations

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

SAME_VERSION, ROLLED_BACK_CODE, CLOCK_NOT_SET = -10003, -10036, -10042
# No second try can end otherwise: no header, bad CRC, too big, bad signature, older, sizes, malformed, wrong
# board, no slot, failed its trials before, offer not signed, names no version.
FINAL_CODES = frozenset(
    (-10002, -10004, -10005, -10010, -10033, -10034, -10035, -10037, -10038, -10041, -10043, -10044)
)


def words(code: int | None, cause: str | None = None) -> str:
    """An error as a person reads it: "Wrong board (-10037)", with the cause if the device gave one."""
    if code is None:
        return cause or ""
    text = f"{TEXTS.get(code, 'Unknown error')} ({code})"
    return f"{text}: {cause}" if cause else text
