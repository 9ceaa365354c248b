"""What every poll() of an update took, allocated and wrote, and what went through flash."""

from __future__ import annotations

import array
import statistics
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tools.bench import cost
from tools.bench.boardcode import IN_PLACE
from tools.bench.site import HEAP, Site, wait
from tools.bench.work import floor_command
from tools.errors import ToolError

BLOCK = 4096
CHECKPOINT = 64 * 1024  # bytes: the default of checkpoint_kib
HEAP_WITHOUT_COLLECTION = 4 << 20
ROUNDS = 5
IDLE_S = 1.5


@dataclass
class Poll:
    """One call. us: of processor time; clock_us: with all waits; allocated: bytes, all in all since the
    file server was looked up, none of them collected; blocks: in the slot."""

    us: int
    clock_us: int
    allocated: int
    blocks: int


@dataclass
class Trace:
    """polls: of one run, until the restart. erases: of each block of the slot."""

    polls: list[Poll]
    bytes_read: int
    journal_writes: int
    erases: list[int]

    @property
    def first(self) -> int:
        """The index of the call that brought the first block; connecting may be part of it."""
        return next(i for i, poll in enumerate(self.polls) if poll.blocks)

    @property
    def last(self) -> int:
        """The index of the call that brought the last block."""
        return next(i for i, poll in enumerate(self.polls) if poll.blocks == self.polls[-1].blocks)

    @property
    def allocated_to_first_block(self) -> int:
        """Bytes from the look-up of the file server to the end of the call that wrote the first block."""
        return self.polls[self.first].allocated

    @property
    def allocated_in_transfer(self) -> int:
        """Bytes from there to the end of the call that wrote the last block: the loop, its reports and its
        checkpoints."""
        return self.polls[self.last].allocated - self.allocated_to_first_block

    def transfer(self) -> range:
        """The indexes of the calls after the first block, up to the last one."""
        return range(self.first + 1, self.last + 1)


def trace(site: Site, what: str, transport: str = "https") -> Trace:
    """One update. what: "time" or "bytes"."""
    site.offer_image(len(site.image), transport)
    site.new_board(IN_PLACE)
    blocks = -(-len(site.image) // BLOCK)
    port = urlsplit(site.offer[f"{transport}_url"]).port
    heap = HEAP_WITHOUT_COLLECTION if what == "bytes" else HEAP
    command = site.board_code.command(heap, IN_PLACE, "probe", what, port, blocks, probed=True)
    since = len(site.testbed.operator.messages)
    with site.running(command) as run:
        wait(lambda: run.has_failed or site.heard(since, "INIT"), 20)
        wait(lambda: run.has_failed, IDLE_S)
        site.testbed.push(site.offer)
        wait(lambda: run.has_failed or run.process.poll() is not None, 60)
    if run.has_failed or run.process.returncode is None:
        raise run.failure("the update failed")
    return read(site.board)


def read(folder: Path) -> Trace:
    """What onboard/probe.py has left there."""
    words = array.array("i", (folder / "probe.bin").read_bytes())
    polls = [Poll(*words[at : at + 4]) for at in range(0, len(words), 4)]
    while not polls[-1].clock_us and not polls[-1].blocks:
        polls.pop()  # never called
    raw = (folder / "traffic.bin").read_bytes()
    bytes_read, journal_writes = array.array("i", raw[:8])
    return Trace(polls, bytes_read, journal_writes, list(raw[8:]))


def memory(site: Site) -> dict[str, float]:
    """The lines of the group memory: without TLS, whose buffers are not Python's."""
    found = trace(site, "bytes", "http")
    floor = cost.run(
        floor_command(site, "http", "bytes", heap=HEAP_WITHOUT_COLLECTION),
        site.board,
        site.board_code.environment,
    )
    return {
        "allocated_per_image": found.allocated_in_transfer,
        "allocated_to_first_block": found.allocated_to_first_block,
        "allocated_floor": float(cost.reported(floor, "allocated")[0]),
        "loop_allocations": statistics.median(silent_steps(found, len(site.image))),
    }


def silent_steps(found: Trace, size: int) -> list[int]:
    """Bytes that each call allocated which moved one block, no percentage, and no checkpoint."""
    steps = []
    for i in found.transfer():
        before, after = found.polls[i - 1], found.polls[i]
        start, end = before.blocks * BLOCK, after.blocks * BLOCK
        is_silent = start * 100 // size == end * 100 // size and start // CHECKPOINT == end // CHECKPOINT
        if after.blocks - before.blocks == 1 and is_silent and end < size:
            steps.append(after.allocated - before.allocated)
    if not steps:
        raise ToolError("no poll() moved a single block")
    return steps


def flash(site: Site) -> dict[str, float]:
    """The lines of the group flash."""
    found = trace(site, "bytes", "http")
    return {
        "erases_per_block": max(found.erases),
        "blocks_erased_twice": sum(count > 1 for count in found.erases),
        "bytes_read_back": found.bytes_read / len(site.image),
        "journal_writes": found.journal_writes,
    }


def latency(site: Site) -> dict[str, float]:
    """The lines of the group latency: each call at its best of some rounds: a busy machine only adds."""
    traces, floors = [], []
    for _ in range(ROUNDS):
        traces.append(trace(site, "time"))
        floor = cost.run(floor_command(site, "https", "time"), site.board, site.board_code.environment)
        floors.append(float(cost.reported(floor, "block_us")[0]))
    transfers = [[found.polls[i] for i in found.transfer()] for found in traces]
    moving, waiting = _best(transfers, "us"), _best(transfers, "clock_us")
    # The offer came in the last two of the calls before the first block.
    idle = [[poll.us for poll in found.polls[: found.first]][-12:-2] for found in traces]
    values = {
        "poll_worst": max(moving),
        "poll_median": statistics.median(moving),
        "poll_wait": max(waiting),
        "poll_connect": min(found.polls[found.first].us for found in traces),
        "poll_verify": min(max(poll.us for poll in found.polls[found.last + 1 :]) for found in traces),
        "poll_idle_worst": min(max(each) for each in idle),
        "poll_idle_median": min(statistics.median(each) for each in idle),
    }
    return {name: us / min(floors) for name, us in values.items()}


def _best(rounds: list[list[Poll]], field: str) -> list[int]:
    """The dearest call while so many blocks were in the slot, in the round where it was cheapest: for each
    number of blocks one value. What waits for the network comes at another moment each time."""
    values: dict[int, list[int]] = {}
    for polls in rounds:
        dearest: dict[int, int] = {}
        for poll in polls:
            dearest[poll.blocks] = max(dearest.get(poll.blocks, 0), getattr(poll, field))
        for blocks, value in dearest.items():
            values.setdefault(blocks, []).append(value)
    return [min(each) for each in values.values()]
