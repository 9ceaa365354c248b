"""How fast this machine is just now: what must not run out in a test is scaled by it. Hangs end late."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

HANG_S = 300  # ends a test that hangs, and nothing else
_ROUNDS = 600_000
_ROUNDS_TAKE_S = 0.015  # on an idle core of 2022


def work() -> float:
    """A piece of work: the seconds that it takes on an idle machine."""
    sum(number & 7 for number in range(_ROUNDS))
    return _ROUNDS_TAKE_S


def slowness() -> float:
    """How many times as long as on an idle machine a piece of work takes just now, at least 1."""
    started = time.monotonic()
    idle_s = work()
    return max(1.0, (time.monotonic() - started) / idle_s)


def seconds(minimum: float) -> int:
    """So many on an idle machine, more on a slow one: for what must not be over before the board has done its
    work."""
    return math.ceil(minimum * slowness())


def until(predicate: Callable[[], object], what: str, timeout_s: float = HANG_S) -> None:
    """Wait for something that nobody announces. Raises TimeoutError naming it."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s} s: {what}")
        time.sleep(0.02)
