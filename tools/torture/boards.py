"""What the classes on real boards share: cases side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any


def play_all(
    play: Callable[[Any], dict[str, Any]], cases: Sequence[Any], jobs: int
) -> Iterator[dict[str, Any]]:
    """The results of play(case), in the order in which they end."""
    pool = ThreadPoolExecutor(jobs)
    try:
        for done in as_completed([pool.submit(play, case) for case in cases]):
            yield done.result()
    finally:  # nobody may want to hear the rest
        pool.shutdown(wait=False, cancel_futures=True)
