"""The table of fault classes, and which of their cases a run plays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tools.testbed import sampling
from tools.torture import messages, network, power
from tools.torture.pool import Request
from tools.torture.trace import Trace

Case = dict[str, Any]
_BIG_PARTS = 8
BRANCHING_CHUNK, CHUNK = 20, 12  # cases a request


class FaultClass(NamedTuple):
    """sample: cases of a run that is not full, for each boot mode. branches: each case departs from the
    undisturbed run at one point. fixture: the end of the fixture's name."""

    title: str
    cases: Callable[[Trace], Iterator[Case]]
    sample: int
    branches: bool = True


CLASSES = {
    "cut": FaultClass("power cut before or after an operation", power.cuts, 24),
    "torn": FaultClass("power cut inside a write or an erase", power.torn, 24),
    "pairs": FaultClass("two power cuts", power.pairs, 2),
    "boot": FaultClass("first boot of the new image: cut, reset, hang", power.first_boot, 10),
    "dies": FaultClass("the new image dies at each start", power.dies, 6),
    "deaf": FaultClass("the new image does not reach the broker", power.deaf, 3, False),
    "files": FaultClass("the new image cannot fetch the next one", power.files, 4, False),
    "flip": FaultClass("bit flipped before the verification", power.flips, 10),
    "flash": FaultClass("operation ignored or refused by the flash", power.bad_flash, 30),
    "read": FaultClass("read refused by the flash", power.bad_reads, 12),
    "block": FaultClass("a block that is bad for ever", power.bad_blocks, 3, False),
    "full": FaultClass("file system filled by others", power.full_file_systems, 14),
    "journal": FaultClass("journal record torn or flipped", power.torn_journals, 12),
    "link": FaultClass("connection cut, reset, stalled, trickling", network.links, 18, False),
    "answer": FaultClass("answers to a resumed request", network.answers, 18, False),
    "changed": FaultClass("the file changes between two requests", network.changed_files, 8, False),
    "away": FaultClass("broker or file server away or mute", network.peers_away, 18),
    "idle": FaultClass("connection half-open while the board waits", network.idle, 2, False),
    "wifi": FaultClass("Wi-Fi away for 0.1 s, 10 s, 10 min", network.wifi, 12),
    "size": FaultClass("sizes that disagree", messages.sizes, 12, False),
    "offer": FaultClass("offers cut, bent, repeated, retained", messages.offers, 18, False),
    "delay": FaultClass("upgrade_delay", messages.delays, 10, False),
    "clock": FaultClass("clock, NTP and certificates", messages.clocks, 14, False),
    "ticks": FaultClass("tick counter wraps", messages.ticks, 6, False),
}


def choose(name: str, trace: Trace, full: bool) -> list[Case]:
    """The cases of a class, each with its whole name as id; full: all of them."""
    found = []
    for case in CLASSES[name].cases(trace):
        found.append(case | {"id": f"{name}/{trace.mode}/{case['id']}"})
    if full or not found:
        return found
    return _sample(found, CLASSES[name].sample)


def _sample(cases: list[Case], wanted: int) -> list[Case]:
    """Some from everywhere: the next commit takes the next ones, until all have been played. The step has no
    divisor in common with the number of cases, or kinds that take turns would be missed."""
    stride = max(1, len(cases) // wanted)
    count = -(-(len(cases) - stride // 2) // stride)
    step = round(0.618 * len(cases))
    while math.gcd(step, len(cases)) != 1:
        step += 1
    first = count * sampling.rotation()
    numbers = sorted(step * (first + number) % len(cases) for number in range(count))
    return [cases[number] for number in numbers]


def requests(name: str, trace: Trace, full: bool) -> list[Request]:
    cases, branches = choose(name, trace, full), CLASSES[name].branches
    size = BRANCHING_CHUNK if branches else CHUNK
    if name == "pairs":
        size = 1 if full else 2
    parts = -(-len(cases) // size)  # each from everywhere, so that they take equally long
    return [Request(trace.mode, cases[start::parts], branches) for start in range(parts)]


def big_requests(trace: Trace) -> list[Request]:
    """The full-size image: the power goes before each operation."""
    cases = [
        {"id": f"big/big/{number}", "flash": [[number, "before"]]}
        for number in range(len(trace.operations))
    ]
    return [Request("big", cases[start::_BIG_PARTS], True) for start in range(_BIG_PARTS)]


def find(identity: str, trace: Trace) -> Case:
    """The case of this id, to be played alone. Raises KeyError."""
    name = identity.split("/", 1)[0]
    if name == "big":
        return {"id": identity, "flash": [[int(identity.rsplit("/", 1)[1]), "before"]]}
    for case in choose(name, trace, True):
        if case["id"] == identity:
            return case
        if name == "pairs" and identity.startswith(case["id"] + "/"):
            second = [int(identity.rsplit("/", 1)[1]), case.pop("sweep")]
            return case | {"id": identity, "flash": [*case["flash"], second]}
    raise KeyError(identity)
