"""Each allocation of a TLS handshake fails once, or with all that follow: the board says -2, and updates.

32-bit MicroPython with mbedtls as upstream configures it; Debian's own is built otherwise, and hides it. A
handshake makes some 90,000 allocations, nearly all of them in the arithmetic of its curves: of these every
2,000th is played, of the others all. The table: `python3 -m tools test --full -n 0 -s -k tls_memory`.
"""

from __future__ import annotations

import collections
import functools
import itertools
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from device import errors
from tools.bench.boardcode import FROZEN
from tools.bench.site import HEAP, RESET_EXIT, Run, Site, wait
from tools.programs.frozen import build

BOARD = Path(__file__).with_name("shortboard.py")
CONNECTIONS = {"broker": 1, "file server": 2}
LENGTHS = {"one": 1, "until the link is given up": 1 << 29}  # how many allocations fail
PARTS = 20  # of a sweep, each a test
STRIDE = 2000
FREQUENT = 1000  # allocations by one place in the code: arithmetic
IMAGE_SIZE = 40_000
LIMIT_S = 60  # of each half of an update
VALID = 2
NO_MEMORY = re.compile(rf"E/ota \[[\d.]+\] {errors.NO_MEM} ")
OTHERWISE = re.compile(rf"E/ota \[[\d.]+\] (?!{errors.NO_MEM} )-|Traceback")

pytestmark = pytest.mark.skipif(not build.IS_POSSIBLE, reason="it is built for x86-64 Linux only")


class ShortSite(Site):
    """A site whose board runs out of memory."""

    def __enter__(self) -> ShortSite:
        super().__enter__()
        self.offer_image(IMAGE_SIZE)
        self.outcomes: dict[tuple[str, str], dict[int, str]] = {}  # by connection and length, of each number
        return self

    def play(self, connection: str, first: int, count: int) -> Run:
        """An update until the restart into the new image; see shortboard.py."""
        self.new_board(FROZEN)
        interpreter = self.board_code.command(HEAP, FROZEN, "client")[0]
        numbers = map(str, (CONNECTIONS[connection], first, count))
        since = len(self.testbed.operator.messages)
        with self.running([interpreter, "-X", f"heapsize={HEAP}", str(BOARD), *numbers]) as run:
            wait(lambda: run.process.poll() is not None or self.heard(since, "INIT"), LIMIT_S)
            self.testbed.push(self.offer)
            wait(lambda: run.process.poll() is not None, LIMIT_S)
        return run

    def confirms(self) -> bool:
        """Does the new image come up, report itself and become valid?"""
        since = len(self.testbed.operator.messages)
        otadata = self.board / "otadata"
        with self.running(self.board_code.command(HEAP, FROZEN, "client")):
            return wait(lambda: self.heard(since, "UPDATE") and otadata.read_bytes()[24] == VALID, LIMIT_S)

    @functools.cache  # noqa: B019 - a site lives as long as its tests
    def allocations(self, connection: str) -> list[int]:
        """The numbers of those to play."""
        run = self.play(connection, 0, 0)
        assert run.process.returncode == RESET_EXIT, run.lines
        count = int(next(line for line in run.lines if line.startswith("asked")).split()[1])
        places = struct.unpack(f"<{count}I", (self.board / "trace").read_bytes()[: 4 * count])
        often = collections.Counter(places)
        numbered = enumerate(places, 1)
        return [number for number, at in numbered if often[at] < FREQUENT or number % STRIDE == 0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShortSite]:
    with ShortSite(tmp_path_factory.mktemp("short")) as site:
        yield site
        for (connection, length), outcomes in site.outcomes.items():
            print(f"\n{connection}, {length}:")
            for outcome, group in itertools.groupby(sorted(outcomes), outcomes.__getitem__):
                numbers = list(group)
                print(f"{numbers[0]:7} – {numbers[-1]:5}, {len(numbers):3} played: {outcome}")


def outcome_of(lines: list[str]) -> str:
    """Of a log without any wrong line: what it says of memory."""
    if any("TLS refused before" in line for line in lines):
        return f"{errors.NO_MEM} once what was refused is accepted"
    if any(NO_MEMORY.match(line) for line in lines):
        return str(errors.NO_MEM)
    return "no failure"


@pytest.mark.sample(20)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("connection", CONNECTIONS)
def test_an_update_survives_it(site: ShortSite, connection: str, length: str, part: int):
    for number in site.allocations(connection)[part::PARTS]:
        since = len(site.testbed.operator.messages)
        run = site.play(connection, number, LENGTHS[length])
        case = f"{connection}, allocation {number}, {length}"
        log = "\n".join(run.lines)
        assert run.process.returncode == RESET_EXIT, f"{case}: {run.process.returncode}\n{log}"
        assert not any(OTHERWISE.match(line) for line in run.lines), f"{case}\n{log}"
        assert (site.board / "ota_1").read_bytes()[:IMAGE_SIZE] == site.image, case
        assert site.confirms(), f"{case}: not confirmed"
        codes = {message.data.get("errorCode") for message in site.testbed.operator.messages[since:]}
        assert codes <= {None, errors.NO_MEM}, f"{case}: {codes}"
        site.outcomes.setdefault((connection, length), {})[number] = outcome_of(run.lines)


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_without_memory_it_does_say_so(site: ShortSite, connection: str):
    """The first allocation of a handshake, and all that follow: the sweep above does play what it says."""
    run = site.play(connection, 1, LENGTHS["until the link is given up"])
    assert outcome_of(run.lines) == str(errors.NO_MEM), run.lines
