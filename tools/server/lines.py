"""Lines for the log: what a transaction did is logged once it is committed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


class Lines:
    """Called like log(mac, text)."""

    def __init__(self, log: Callable[[str, str], None]) -> None:
        self._log = log
        self._held: list[tuple[str, str]] | None = None

    def __call__(self, mac: str, text: str) -> None:
        if self._held is None:
            self._log(mac, text)
        else:
            self._held.append((mac, text))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Until the end of this; after an error none of them is logged."""
        held = self._held = []
        try:
            yield
        finally:
            self._held = None
        for mac, text in held:
            self._log(mac, text)
