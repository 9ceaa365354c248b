"""Hostile input for every parser, in CPython: refused in a documented way, or accepted by the rules; and good
input, which must be accepted as what it was made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import targets
import targets_keys  # noqa: F401
import targets_link  # noqa: F401
import targets_records  # noqa: F401
from check import patched
from found import FOUND
from hypothesis import given
from parsers import PARSERS

from device import errors, files, log


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_target_is_fuzzed() -> None:
    assert sorted(PARSERS) == sorted(targets.TARGETS)


def verify(name: str, raw: bytes) -> None:
    """One input: what comes out is in order."""
    parser = PARSERS[name]
    with patched(log, "output", lambda line: None):
        try:
            value = targets.TARGETS[name](raw)
        except errors.OtaError as error:
            assert error.code in parser.codes, error
            return
    if value is None:
        assert parser.may_be_none
    else:
        assert parser.rule(raw, value), value
    assert not files.is_broken


@pytest.mark.sample(6)
@pytest.mark.parametrize("name", sorted(PARSERS))
def test_hostile_input(name: str) -> None:
    @given(PARSERS[name].hostile)
    def check(raw: bytes) -> None:
        verify(name, raw)

    check()


@pytest.mark.sample(6)
@pytest.mark.parametrize("name", sorted(PARSERS))
def test_good_input_is_accepted_as_it_was_made(name: str) -> None:
    @given(PARSERS[name].good)
    def check(case: tuple[bytes, Any]) -> None:
        raw, expected = case
        with patched(log, "output", lambda line: None):
            assert targets.TARGETS[name](raw) == expected
        assert PARSERS[name].rule(raw, expected), "the rule refuses what is good"

    check()


@pytest.mark.parametrize("case", FOUND, ids=lambda case: f"{case[0]}: {case[2]}")
def test_what_was_found_stays_right(case: tuple[str, bytes, str]) -> None:
    verify(case[0], case[1])
