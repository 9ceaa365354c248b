"""What the classes on real boards share: cases side by side, and how an update ends."""

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


def is_end(message: Any) -> bool:
    """Of an update: the new image's first report, or an error."""
    return "errorCode" in message.data or message.data.get("type") == "UPDATE"
