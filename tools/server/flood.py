"""How often one device may speak: a board in a loop must not keep the others waiting."""

from __future__ import annotations

BURST = 3000  # messages at once: an update takes 15, and those of an outage come together
PER_SECOND = 10


class Flood:
    """A bucket for each device: BURST messages fit, and PER_SECOND leave it."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}  # MAC -> (how full, when)

    def overflows(self, mac: str, now: float) -> bool:
        """Whether this message is one too many."""
        level, then = self._buckets.get(mac, (0.0, now))
        level = max(0.0, level - (now - then) * PER_SECOND)
        is_full = level >= BURST
        self._buckets[mac] = (level if is_full else level + 1, now)
        return is_full
