"""Cases of power and flash: cuts, torn operations, pairs of cuts, first boots, flipped bits, bad flash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from device import errors
from tools.torture.fixture import BLOCK
from tools.torture.trace import PAGE, Operation, Trace

Case = dict[str, Any]
HOUR_MS = 3_600_000
BAD_DIGEST = [errors.SHA256_ECDSA, errors.CRC_ERROR]
ERASE_VARIANTS = 5  # old, 0xFF, half, random bits, unstable: see simboard/onboard/faults.py
FLIPS_PER_BLOCK = 12


JOURNAL_RECORD = 52  # bytes, with the ETag "1"
_CONDEMNED: Case = {
    "expect": "old", "all_codes": [errors.ROLLED_BACK, errors.REFUSED_IMAGE], "max_new_boots": 3,
    "quiet_ms": 1_200_000,
}  # fmt: skip
ONE_CUT = BLOCK + 64  # bytes that may be fetched twice: a checkpoint interval and the head


def cuts(trace: Trace) -> Iterator[Case]:
    for number in range(len(trace.operations)):
        for kind in ("before", "after"):
            yield {"id": f"{number}-{kind}", "flash": [[number, kind]], "max_repeated": ONE_CUT}


def torn(trace: Trace) -> Iterator[Case]:
    for number, operation in enumerate(trace.operations):
        for place in _tears(operation):
            yield {
                "id": f"{number}-{place}", "flash": [[number, "torn", place]],
                "max_repeated": ONE_CUT,
            }  # fmt: skip


def _tears(operation: Operation) -> range:
    """Slot: every page boundary and mid page. Boot selector and file system: every byte."""
    if operation.kind == "erase":
        return range(ERASE_VARIANTS)
    if operation.size == BLOCK:
        return range(PAGE // 2, BLOCK, PAGE // 2)
    return range(operation.size)


def pairs(trace: Trace) -> Iterator[Case]:
    """Each case is a sweep: after this cut, a second one before every operation that follows."""
    for number in range(len(trace.operations)):
        yield {
            "id": str(number), "flash": [[number, "before"]], "sweep": "before",
            "max_repeated": 2 * ONE_CUT,
        }  # fmt: skip


def first_boot(trace: Trace) -> Iterator[Case]:
    for step in range(trace.steps[1]):
        for action in ("cut", "reset", "hang"):
            if action == "cut" or trace.mode == "idf":
                yield {"id": f"{step}-{action}", "steps": [[2, step, action, None]]}
        if trace.mode == "idf":  # new and old image take turns
            again = [[boot, step, "cut", None] for boot in (2, 4, 6, 8)]
            yield {"id": f"{step}-cuts", "steps": again}


def dies(trace: Trace) -> Iterator[Case]:
    """A new image that ends itself at the same step of each start."""
    if trace.mode == "w80x":
        return  # installs for good: device/FAULTS.md, Limits
    for step in range(trace.steps[1]):
        for action in ("reset", "hang"):
            yield {"id": f"{step}-{action}", "steps": [["new", step, action, None]]} | _CONDEMNED


def deaf(trace: Trace) -> Iterator[Case]:
    """The new image does not reach the broker; the old one does. Where not even a connection comes about, ten
    boots do not count: who owns the network could do that to a good image."""
    if trace.mode != "idf":
        return
    ends = {"quiet_ms": 3 * HOUR_MS, "limit_ms": 6 * HOUR_MS}
    yield {"id": "always", "deaf": 99} | _CONDEMNED | ends | {"max_new_boots": 10}
    yield {"id": "connects", "deaf": 99, "connects": True} | _CONDEMNED | ends
    for boots in (1, 3, 5):
        yield {"id": f"first-{boots}", "deaf": boots}
    yield {"id": "connects-first-2", "deaf": 2, "connects": True}


def files(trace: Trace) -> Iterator[Case]:
    """The file host of the update, as the new image meets it: away is a warning, a certificate that it does
    not trust is its own fault."""
    if trace.mode != "idf":
        return
    for kind in ("refuse", "dns", "cut", "reset", "stall", "garbage"):
        trouble = {"peer": "files", "nth": None, "kind": kind, "at": 0}
        yield {"id": kind, "new_net": [trouble], "no_codes": True}
    yield {"id": "distrusted", "distrusts": 99} | _CONDEMNED
    yield {"id": "distrusted-once", "distrusts": 1}


def flips(trace: Trace) -> Iterator[Case]:
    """A bit changes in the flash between the writing of the last block and the verification."""
    step = trace.step_after(trace.slot_writes()[-1])
    for index in range(FLIPS_PER_BLOCK * -(-trace.image_size // BLOCK)):
        offset = 64 + (trace.image_size - 64) * index // (FLIPS_PER_BLOCK * 8)
        bit = (trace.slot_address + offset) * 8 + index % 8
        yield {"id": str(offset), "steps": [[1, step, "flip", bit]], "codes": BAD_DIGEST}


def bad_flash(trace: Trace) -> Iterator[Case]:
    slot_writes = set(trace.slot_writes())
    for number in range(len(trace.operations)):
        for kind in ("ignore", "error"):
            case: Case = {"id": f"{number}-{kind}", "flash": [[number, kind]]}
            yield case | ({"codes": [errors.FLASH]} if number in slot_writes else {})


def bad_reads(trace: Trace) -> Iterator[Case]:
    for number in range(trace.reads):
        yield {"id": f"read-{number}", "flash": [[number, "read_error"]]}


def bad_blocks(trace: Trace) -> Iterator[Case]:
    """A block that refuses, ignores or hangs on every write, for ever: no update, but no loop of reboots. In
    the boot record too: what was told to have failed does not come to life later."""
    records = [operation.address for operation in trace.operations if operation.label == "otadata"]
    for address in sorted(set(records)):
        yield {
            "id": f"record-{address}", "bad_block": [address // BLOCK * BLOCK, "error"], "expect": "old",
            "codes": [errors.HEADER_INVALID, errors.FLASH], "max_boots": 2, "quiet_ms": HOUR_MS,
        }  # fmt: skip
    for number in trace.slot_writes():
        address = trace.operations[number].address // BLOCK * BLOCK
        for kind in ("error", "ignore"):
            yield {
                "id": f"{address}-{kind}", "bad_block": [address, kind], "expect": "old",
                "codes": [errors.FLASH], "max_boots": 2, "quiet_ms": HOUR_MS,
            }  # fmt: skip
        yield {
            "id": f"{address}-hang", "bad_block": [address, "hang"], "expect": "old",
            "max_boots": 14, "quiet_ms": HOUR_MS, "restless": True,
        }  # fmt: skip


def full_file_systems(trace: Trace) -> Iterator[Case]:
    """Others fill the file system at any step: before, in and after the update, and at the first boot of the
    new image."""
    for boot in (1, 2):
        for step in range(trace.steps[boot - 1]):
            for kind in ("small", "large", "log"):
                yield {"id": f"{boot}-{step}-{kind}", "steps": [[boot, step, "fill", kind]]}


def torn_journals(trace: Trace) -> Iterator[Case]:
    """The newest record cut at each byte, and each of its bits flipped, as on a file system that does not
    replace files as a whole: the record before it counts."""
    cut = trace.slot_writes()[5]
    for kind, places in (("tear", range(JOURNAL_RECORD)), ("flip_record", range(8 * JOURNAL_RECORD))):
        for place in places:
            yield {
                "id": f"{kind}-{place}", "flash": [[cut, "before"]], "steps": [[2, 0, kind, place]],
                "max_repeated": 2 * BLOCK + 64,
            }  # fmt: skip
