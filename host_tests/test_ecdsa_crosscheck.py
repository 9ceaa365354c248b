"""device.ecdsa against `cryptography`: over 10,000 valid and bent cases, each with and without a table.

A sample of the same goes through 32-bit MicroPython.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import ecdsacases
import pytest
from ecdsacases import Case
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from device import ecdsa
from tools.programs import cache, runtimes
from tools.simboard import board
from tools.simboard.factory import HEAP_KIB

# (strategy, how many cases, must some be accepted?, must some be refused?)
CLASSES = {
    "valid": (ecdsacases.valid(), 2500, True, False),
    "other digest": (ecdsacases.bent_digests(), 1000, False, True),
    "other numbers": (ecdsacases.other_numbers(), 2000, True, True),
    "other encodings": (ecdsacases.other_encodings(), 2000, True, True),
    "bent signatures": (ecdsacases.bent_signatures(), 2000, True, True),
    "bent keys": (ecdsacases.bent_keys(), 1000, True, True),
}
SAMPLE = 16  # of each class, for MicroPython
VERIFY = Path(__file__).resolve().parent / "portable" / "verifycases.py"
LIMIT_S = 240


def _play(strategy: SearchStrategy[Case], count: int, check: Callable[[Case], None]) -> None:
    """The same cases in every run, so that a red one is no matter of luck."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    rules = settings(
        max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=slow
    )
    rules(given(strategy)(check))()


def test_there_are_ten_thousand_cases() -> None:
    assert sum(count for _, count, _, _ in CLASSES.values()) >= 10_000


@pytest.mark.sample(4)
@pytest.mark.parametrize("name", CLASSES)
def test_cpython_agrees_with_cryptography(name: str) -> None:
    strategy, count, some_good, some_bad = CLASSES[name]
    verdicts = []

    def check(case: Case) -> None:
        expected = ecdsacases.reference(case)
        table = ecdsacases.table(case.key)
        assert ecdsa.verify(case.key, case.digest, case.signature) is expected
        assert ecdsa.verify(case.key, case.digest, case.signature, table) is expected
        verdicts.append(expected)

    _play(strategy, count, check)
    print(f"{name}: {len(verdicts)} cases, {sum(verdicts)} of them good")
    assert len(verdicts) >= count
    assert any(verdicts) == some_good and (not all(verdicts)) == some_bad


def test_micropython_agrees_with_cryptography(tmp_path: Path) -> None:
    lines = []

    def note(case: Case) -> None:
        parts = (case.key, case.digest, case.signature, ecdsacases.table(case.key))
        lines.append(" ".join(part.hex() or "-" for part in parts) + f" {ecdsacases.reference(case):d}\n")

    for strategy, _, _, _ in CLASSES.values():
        _play(strategy, SAMPLE, note)
    assert len(lines) >= SAMPLE * len(CLASSES)
    assert 10 < sum(line.endswith("1\n") for line in lines) < len(lines) - 10
    (tmp_path / "cases").write_text("".join(lines))
    command = [*runtimes.interpreter("mp32"), "-X", f"heapsize={HEAP_KIB['mp32']}K", str(VERIFY), "cases"]
    environment = {"MICROPYPATH": f"{board.MICROPYTHON}:{cache.REPO}:.frozen"}
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_S, cwd=tmp_path, env=environment
    )
    assert result.stdout == f"{len(lines)} verified, 0 wrong\n", result.stdout + result.stderr
