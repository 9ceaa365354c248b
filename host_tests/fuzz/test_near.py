"""The whole neighbourhood of a few good inputs, without chance: every bit, every cut, every field of JSON
with every odd value."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import good_records
import makeimage
import makeoffer
import pytest
from hypothesis import Phase, given, settings
from parsers import PARSERS
from test_fuzz import verify

from device import errors
from tools.testbed import sampling

SAMPLES = 3
LONG = {"state"}  # it goes through files: one sample a run, which the commit chooses
LONGEST = 250  # bytes; 2,000 bits
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 4, 100, 101, 16384, 16385, 65535, 65536, 86400, 86401, 31536000, 31536001,
    2**31, 2**31 + 1, 2**32, 2**32 + 1, 10**11, 10**14, 10**14 + 1, 2**64, 0.0, 1.0, 1e300, "", "0", "x",
    "x" * 64, "x" * 65, "x" * 128, "x" * 129, "\0", "\ud800", "1.2.3", "1.2.03", "http://h", "https://h",
    "mqtts://h/", [], ["x"], ["x"] * 9, [["x", "y"]], [["x"]], [["x", "y", "z"]], [["", "y"]], [["x", 1]],
    [["x", "y"]] * 17, [["x", "y" * 8]] * 17, [["x" * 33, ""]], [["x", "f" * 64]], {}, {"x": 1},
)  # fmt: skip
OBJECTS: dict[str, dict] = {
    "offer": makeoffer.message(makeoffer.fields(upgrade_delay=5)),
    "config": good_records.DEFAULTS | {"wifi": [["a", "password"]], "broker": "mqtts://b", "board": "lamp"},
    "state": {
        "slots": {"ota_0": {"version": "1.0.0", "build_time": "", "size": 5, "digest": "ab"}},
        "trial": {"version": "1.2.3", "build_time": "", "size": 5, "digest": "ab", "signature": "c2ln",
                  "attempts": 0, "excuses": 0},
        "failed": {"offer": [], "starts": 1, "position": 0, "code": errors.NO_MEM, "count": 1, "until": 5,
                   "faults": 1, "rest": 0},
        "waiting": makeoffer.fields(), "floor": "1.0.0", "refused": [],
    },
    "trailer": {"version": "1.2.3", "board": "lamp", "build_time": "May 24 2024 10:33:41"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _samples(name: str) -> list[bytes]:
    """The longest of some good inputs, always the same."""
    found: set[bytes] = set()

    @settings(max_examples=100, phases=[Phase.generate], derandomize=True)
    @given(PARSERS[name].good)
    def collect(case: tuple[bytes, Any]) -> None:
        found.add(case[0])

    collect()
    longest = sorted((raw for raw in found if len(raw) <= LONGEST), key=lambda raw: (len(raw), raw))
    return [
        raw for at, raw in enumerate(longest[-SAMPLES:])
        if name not in LONG or sampling.chosen(at, SAMPLES)
    ]  # fmt: skip


@pytest.mark.sample(6)
@pytest.mark.parametrize("name", sorted(set(PARSERS) - {"table"}))  # which is long
def test_every_bit_and_every_cut(name: str) -> None:
    samples = _samples(name)
    assert samples
    for good in samples:
        for length in range(len(good)):
            verify(name, good[:length])
            verify(name, good[length:])
        for bit in range(len(good) * 8):
            raw = bytearray(good)
            raw[bit // 8] ^= 1 << bit % 8
            verify(name, bytes(raw))


def _places(value: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, inner in value.items():
        yield (*path, key)
        if isinstance(inner, dict):
            yield from _places(inner, (*path, key))


@pytest.mark.sample(8)
@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_every_field_with_every_odd_value(name: str) -> None:
    verify(name, _raw(name, OBJECTS[name]))
    for path in _places(OBJECTS[name]):
        for odd in ODD:
            bent = copy.deepcopy(OBJECTS[name])
            place = bent
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = odd
            verify(name, _raw(name, bent))


def _raw(name: str, value: dict) -> bytes:
    text = json.dumps(value).encode()
    return makeimage.raw_trailer(text) if name == "trailer" else text
