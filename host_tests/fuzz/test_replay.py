"""The same inputs inside 32- and 64-bit MicroPython, with the heap of a small board: the same outcomes."""

from __future__ import annotations

import os
import random
import re
import string
import subprocess
from pathlib import Path

import jsonpart
import pytest
import targets
import targets_keys  # noqa: F401
import targets_link  # noqa: F401
import targets_records  # noqa: F401
from found import FOUND
from hypothesis import Phase, given, settings
from hypothesis.strategies import SearchStrategy
from parsers import PARSERS, Parser

from tools.commands.test import SAMPLED
from tools.image import romfs
from tools.programs import runtimes
from tools.simboard import board
from tools.simboard.factory import HEAP_KIB
from tools.testbed import sampling, traits

HERE = Path(__file__).resolve().parent
SHIPPED = ("targets", "targets_keys", "targets_link", "targets_records", "jsonpart")
EXAMPLES = 100  # good ones of each parser, and as many hostile ones
PARTS = 3  # one of which a run that plays samples plays
LONGEST = 4600  # bytes of one input: messages and heads end at 4096
OWN_KIB = 64  # for what the fuzzing itself loads
KEPT_LIMIT = 4096  # bytes of heap that may still be in use after the last input: caches, no leak
LIMIT_S = 300
MAIN, *OTHERS = runtimes.WORD_BITS
SAMPLE = pytest.mark.sample(8)
ASCII_OWN = string.whitespace + string.digits

Case = tuple[str, bytes]


def _corpus() -> list[Case]:
    """What was found once comes first, the rest in any order, so that what grows can be seen to grow."""
    cases = []
    for name, parser in _chosen():
        for strategy in (parser.good.map(lambda case: case[0]), parser.hostile):
            cases += [(name, raw) for raw in _examples(strategy)]
    made = [case for case in cases if len(case[1]) <= LONGEST]
    random.Random(0).shuffle(made)
    return [(name, raw) for name, raw, _ in FOUND] + made


def _chosen() -> list[tuple[str, Parser]]:
    """All parsers, or those whose turn it is: of each a run plays all examples or none."""
    return [
        entry for number, entry in enumerate(sorted(PARSERS.items()))
        if os.environ.get(SAMPLED, "full") == "full" or sampling.chosen(number, PARTS)
    ]  # fmt: skip


def _examples(strategy: SearchStrategy[bytes]) -> list[bytes]:
    """The same ones in each run."""
    found: list[bytes] = []

    @settings(max_examples=EXAMPLES, phases=[Phase.generate], derandomize=True)
    @given(strategy)
    def collect(raw: bytes) -> None:
        found.append(raw)

    collect()
    return found


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Case]]:
    cases = _corpus()
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_bytes(b"".join(f"{name} {len(raw)}\n".encode() + raw for name, raw in cases))
    return path, cases


def _play(interpreter: str, corpus: Path, compiled: Path, cwd: Path) -> list[str]:
    folders = [board.ONBOARD, board.MICROPYTHON, cwd, compiled, runtimes.umqtt()]
    command = [*runtimes.interpreter(interpreter), "-X", f"heapsize={HEAP_KIB[interpreter] + OWN_KIB}K"]
    result = subprocess.run(
        [*command, str(HERE / "replay.py"), str(corpus)], cwd=cwd, capture_output=True, text=True,
        timeout=LIMIT_S, env={"MICROPYPATH": ":".join(map(str, folders)) + ":.frozen"},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout.splitlines()


@pytest.mark.parametrize("interpreter", [MAIN, *(pytest.param(name, marks=SAMPLE) for name in OTHERS)])
def test_micropython_says_the_same(
    interpreter: str, corpus: tuple[Path, list[Case]], compiled: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path, cases = corpus
    for name in SHIPPED:
        (tmp_path / f"{name}.mpy").write_bytes(romfs.compile_module(HERE / f"{name}.py", f"{name}.py"))
    *lines, last = _play(interpreter, path, compiled, tmp_path)
    assert len(lines) == 2 * len(cases)
    monkeypatch.chdir(tmp_path)
    wrong = []
    for (name, raw), there, seen in zip(cases, lines[::2], lines[1::2], strict=True):
        here = _outcome(name, raw, seen)
        if name == "ntp" and traits.last_year(interpreter) < _year(here):
            continue
        if there != here and not _is_cpythons_own_way(name, raw):
            wrong.append(f"{name} {raw[:300]!r}\n  {there[:300]}\n  {here[:300]}")
    assert not wrong, f"{len(wrong)} of {len(cases)}\n" + "\n".join(wrong[:50])
    assert last.startswith("kept ") and int(last[5:]) <= KEPT_LIMIT, last


def _outcome(name: str, raw: bytes, seen: str) -> str:
    """CPython's outcome. Where there is JSON in the input, MicroPython may read it more kindly than the
    standard: then the object that it read is what both must agree about."""
    if jsonpart.find(name, raw) is not None:
        raw = jsonpart.replace(name, raw, seen)
    return targets.outcome(name, raw)


def _year(outcome: str) -> int:
    """Of the time that was taken from a packet, 0 where none was."""
    found = re.match(r"accepted \[(\d+)", outcome)
    return int(found[1]) if found else 0


def _is_cpythons_own_way(name: str, raw: bytes) -> bool:
    """Where CPython differs from every board: it takes blanks and digits of all scripts for such, no
    character beyond U+10FFFF, and no more than 4300 digits for a number."""
    if name == "build_time":
        text = raw.decode(errors="ignore")
        return any((char.isspace() or char.isdecimal()) and char not in ASCII_OWN for char in text)
    return re.search(rb"[0-9]{4301}|\xf4[\x90-\xbf]|[\xf5-\xf7]", raw) is not None
