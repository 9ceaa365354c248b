"""The server's own time: Unix seconds that never go back, nor jump with the machine's clock.

What is measured with it, silence and the pauses between tries, would else end for all boards at once, or
never. All times in the store are this time; other programs learn by how much it differs from the machine's.
"""

from __future__ import annotations

import time

from tools.server.store import Store

CATCH_UP = 0.1  # s for each s: so fast it draws near to a machine's clock that has jumped
_LAST, _AHEAD = "clock", "clock_ahead"


class Clock:
    """`now()`; goes on where an earlier server's has ended."""

    def __init__(self, store: Store) -> None:
        self._now = max(time.time(), store.fact(_LAST) or 0)
        self._then = time.monotonic()

    def now(self) -> float:
        then = time.monotonic()
        passed, self._then = then - self._then, then
        limit = passed * CATCH_UP
        self._now += passed
        self._now += max(-limit, min(time.time() - self._now, limit))
        return self._now


def note(store: Store, now: float) -> None:
    """For of(), and for the next server."""
    store.set_fact(_LAST, now)
    store.set_fact(_AHEAD, now - time.time())


def of(store: Store) -> float:
    """The server's time, for a program beside it."""
    return time.time() + (store.fact(_AHEAD) or 0)
