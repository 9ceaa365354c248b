"""What a run without faults does, as a map for those with faults: operations, steps, bytes on the wire."""

from __future__ import annotations

from typing import Any, NamedTuple

from tools.torture.fixture import BLOCK

PAGE = 256


class Operation(NamedTuple):
    """One call of the flash: kind "write" or "erase", label of the partition, address, bytes."""

    kind: str
    label: str
    address: int
    size: int

    @property
    def in_slot(self) -> bool:
        return self.label in ("ota_0", "ota_1", "run", "upgrade")


class Trace:
    """Of the undisturbed update of the board of one fixture. mode: "idf", "w80x" or "big"."""

    def __init__(self, fixture: str, run: dict[str, Any], image_size: int) -> None:
        if run["outcome"] != "ok":
            raise RuntimeError(f"{fixture}: the undisturbed run fails: {run}")
        self.fixture = fixture
        self.mode = fixture.split("-")[-1]
        self.image_size = image_size
        self.operations = [Operation(*entry) for entry in run["operations"]]
        self.steps = run["steps"]  # polls in boot 1, 2, …
        self.marks = run["marks"]  # of boot 1: operations done before each step
        self.reads = run["reads"]
        files = [size for peer, size in run["connections"] if peer == "files"]
        self.head_size = files[0] - image_size  # of the answer to the only request
        self.greeting = [size for peer, size in run["connections"] if peer == "broker"][0]
        self.spare = "upgrade" if self.mode == "w80x" else "ota_1"

    def slot_writes(self) -> list[int]:
        """Numbers of the operations that write whole blocks of the new image, in order."""
        return [
            number
            for number, entry in enumerate(self.operations)
            if (entry.kind, entry.label, entry.size) == ("write", self.spare, BLOCK)
            and entry.address <= self.slot_address + self.image_size
        ][: -(-self.image_size // BLOCK)]

    @property
    def slot_address(self) -> int:
        return min(entry.address for entry in self.operations if entry.label == self.spare)

    def step_after(self, operation: int) -> int:
        """The first step of boot 1 that begins when this operation is done."""
        return next(step for step, done in enumerate(self.marks) if done > operation)
