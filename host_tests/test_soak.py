"""A board's process that plays a thousand updates and failures ends with the heap that it had after the first
fifty: soak/soak.py in 32-bit MicroPython, with the package's .mpy files as boards get them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tools.image import firmware, romfs
from tools.keys import pki
from tools.programs import cache, runtimes
from tools.simboard.board import BLOCK, MICROPYTHON, ONBOARD
from tools.testbed import sampling
from tools.torture import fixture, pool

SOAK = Path(__file__).resolve().parent / "soak"
HEAP = "256K"  # of which the peers and the simulated board take 80
ROUNDS = 1000 if os.environ.get(sampling.FULL) == "1" else 100
LIMIT_S = 3600  # only ends a hang
BLOCK_OF_HEAP = 16  # bytes, on 32 bit
FEWEST = 4  # of the ways in which rounds end that depend on the place
MEASURED = re.compile(r"^at (\d+) (\d+) (\S+)$.*?max free sz: (\d+)", re.MULTILINE | re.DOTALL)


class Heap(NamedTuple):
    """rounds: that were played before. allocated: bytes; hole: bytes of the largest free part; modules: of
    the package, those in memory."""

    rounds: int
    allocated: int
    hole: int
    modules: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that is imported, compiled, and the board's fixture."""
    folder = tmp_path_factory.mktemp("soak")
    (folder / "device").mkdir()
    for name, path in firmware.package_modules().items():
        is_errors = name == "errors.py"  # whose codes rounds.py says
        compile_module = romfs.compile_module if is_errors else firmware.compile_module
        (folder / "device" / f"{path.stem}.mpy").write_bytes(compile_module(path, name))
    shims = [path for path in ONBOARD.glob("*.py") if not (pool.SIMULATION / path.name).exists()]
    folders = (SOAK, pool.SIMULATION, pool.PACKETS)
    for path in (*(path for folder in folders for path in folder.glob("*.py")), *shims):
        (folder / f"{path.stem}.mpy").write_bytes(romfs.compile_module(path, path.name))
    pki.make_all(folder / "keys", [fixture.MAC], next_key=True)
    fixture.make_one(folder, "fixture", "idf", 2 * BLOCK, 4 * BLOCK)
    return folder


def _play(site: Path, agent: str, rounds: int) -> str:
    folders = [site, MICROPYTHON, runtimes.umqtt()]
    command = [*runtimes.interpreter("mp32"), "-X", f"heapsize={HEAP}", "-m", "soak"]
    done = subprocess.run(
        [*command, str(site / "fixture"), agent, str(rounds)], cwd=site / "fixture", capture_output=True,
        text=True, errors="replace", timeout=LIMIT_S,
        env={"MICROPYPATH": ":".join(map(str, folders)) + ":.frozen"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def _heaps(output: str) -> list[Heap]:
    """After each fifty rounds. The first look, before any, is left out: names that are interned once and the
    tables in which MicroPython looks them up are not there yet."""
    found = [
        Heap(int(rounds), int(allocated), int(blocks) * BLOCK_OF_HEAP, modules)
        for rounds, allocated, modules, blocks in MEASURED.findall(output)
    ]
    assert [heap.rounds for heap in found] == list(range(0, found[-1].rounds + 1, 50))
    return found[1:]


@pytest.mark.sample(3)
@pytest.mark.parametrize("agent", ["new", "same"])
def test_the_heap_stays_as_it_was_after_fifty_rounds(agent: str, site: Path) -> None:
    output = _play(site, agent, ROUNDS)
    rounds = re.findall(r"^round \d+ (ok|FAILED) (.*) (\S+)$", output, re.MULTILINE)
    assert len(rounds) == ROUNDS
    assert "FAILED" not in {how for how, _, _ in rounds}, output
    ways = {ended for _, ended, wanted in rounds if wanted == "None"}
    assert len(ways) >= FEWEST and "waiting" not in ways, ways
    first, *later = _heaps(output)
    assert first.rounds + 50 * len(later) == ROUNDS
    for heap in later:
        assert heap.allocated == first.allocated, (first, heap)
        assert heap.hole >= first.hole - BLOCK_OF_HEAP, (first, heap)
        assert heap.modules == first.modules, (first, heap)


@pytest.mark.sample(8)
def test_a_leak_is_seen(site: Path, tmp_path: Path) -> None:
    """Of a few bytes each time something fails."""
    leaking = tmp_path / "site"
    shutil.copytree(site, leaking)
    path = cache.REPO / "device" / "errors.py"
    text = path.read_text().replace("self.code = code\n", "self.code = code\n        _made.append(code)\n")
    assert "_made" in text
    code = romfs.compile_module(path, "device.errors", text=text + "\n\n_made = []\n")
    (leaking / "device" / "errors.mpy").write_bytes(code)
    first, last = _heaps(_play(leaking, "new", 100))
    assert last.allocated > first.allocated
