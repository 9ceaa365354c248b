"""Lines for the log: what is done in a transaction is told when it is written down."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


class Lines:
    """Called like tell(mac, text)."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._held: list[tuple[str, str]] | None = None

    def __call__(self, mac: str, text: str) -> None:
        if self._held is None:
            self._tell(mac, text)
        else:
            self._held.append((mac, text))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Until the end of this; after an error none of them is told."""
        held = self._held = []
        try:
            yield
        finally:
            self._held = None
        for mac, text in held:
            self._tell(mac, text)
