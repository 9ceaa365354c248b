"""One safeguard of the device code, and how it is switched off."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """In device/<module>.py, `before` (which stands there once) becomes `after`; and so in each of `also`,
    (module, before, after), where a safeguard stands twice. noticed_by: classes of faults or of attacks, the
    quickest to notice it first; or one test of pytest, FILE::NAME, for what these cannot see."""

    safeguard: str
    module: str
    before: str
    after: str
    noticed_by: tuple[str, ...]
    also: tuple[tuple[str, str, str], ...] = ()

    @property
    def changes(self) -> tuple[tuple[str, str, str], ...]:
        return (self.module, self.before, self.after), *self.also
