"""The torture itself: its cases have names that find them again, and it can fail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from device import config
from tools import cache
from tools.__main__ import main
from tools.torture import classes, kit, mutants, pool
from tools.torture.mutants import MUTANTS
from tools.torture.report import Line
from tools.torture.trace import Trace

MODES = tuple(kit.KINDS)


@pytest.fixture(scope="module")
def kits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kits")
    kit.make(folder)
    return folder


@pytest.fixture(scope="module")
def traces(kits: Path) -> dict[str, Trace]:
    return pool.traces(kits)


def test_the_undisturbed_run_is_what_the_cases_build_on(traces):
    for trace in traces.values():
        blocks = -(-trace.image_size // kit.BLOCK)
        assert len(trace.slot_writes()) == blocks == 8
        assert trace.steps[0] > blocks and trace.steps[1] > 5
        assert {"otadata", "vfs"} <= {entry.label for entry in traces["idf"].operations}


@pytest.mark.parametrize("name", classes.CLASSES)
def test_every_case_is_found_by_its_name(name, traces):
    for trace in traces.values():
        every = classes.choose(name, trace, full=True)
        sample = classes.choose(name, trace, full=False)
        assert len({case["id"] for case in every}) == len(every)
        assert every or trace.mode == "w80x"
        assert bool(sample) == bool(every)
        for case in sample[:3]:
            assert classes.find(case["id"], trace) == case


def test_a_pair_is_found_by_its_name(traces):
    case = classes.find("pairs/idf/12/40", traces["idf"])
    assert case["flash"] == [[12, "before"], [40, "before"]] and "sweep" not in case


def test_a_sweep_cuts_at_every_later_operation(kits, traces):
    last = len(traces["idf"].operations) - 4
    case = classes.find(f"pairs/idf/{last}", traces["idf"])
    told = list(pool.play_all([pool.Request("idf", [case], branch=True)], kits, 1))
    numbers = [int(result["id"].rsplit("/", 1)[1]) for result in told]
    assert numbers == list(range(last + 1, last + 1 + len(numbers))) and len(numbers) > 4
    assert {result["outcome"] for result in told} == {"ok"}


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.safeguard for mutant in MUTANTS])
def test_every_mutant_fits_the_sources(mutant):
    source = (cache.REPO / "device" / f"{mutant.module}.py").read_text()
    assert source.count(mutant.before) == 1
    assert set(mutant.noticed_by) <= set(classes.CLASSES)


@pytest.mark.parametrize("safeguard", ["attempts are counted", "a download goes on after a reboot"])
def test_a_missing_safeguard_is_noticed(safeguard, traces, kits):
    (mutant,) = [entry for entry in MUTANTS if entry.safeguard == safeguard]
    assert mutants._first_failure(mutant, traces, kits, 2)


def test_a_class_counts_what_did_not_survive():
    line = Line("x")
    for outcome in ("ok", "bricked", "silent", "wrong", "ok"):
        line.add({"outcome": outcome, "repeated": 7})
    assert (line.cases, line.repeated) == (5, 7)
    assert line.counts == {"bricked": 1, "unverified": 0, "hung": 0, "lost": 0, "untold": 2}


def test_one_case_alone_shows_what_the_board_says(capfd):
    assert main(["torture", "--case", "cut/w80x/20-after"]) == 0
    shown = capfd.readouterr().out
    assert re.search(r"going on at byte \d+", shown) and shown.rstrip().endswith("ok")


@pytest.mark.parametrize("identity", ["cut/idf/99999-before", "cut", "nothing/idf/1", "cut/riscv/1"])
def test_a_case_that_is_not_there(identity, capfd):
    assert main(["torture", "--case", identity]) == 1
    assert len(capfd.readouterr().err.strip().splitlines()) == 1


def test_the_longest_poll_is_what_the_settings_say():
    source = (cache.REPO / "tools/torture/world/world.py").read_text()
    limit_ms = int(re.search(r"_LONGEST_POLL_MS = ([\d_]+)", source)[1].replace("_", ""))
    longest_s = config.KEYS["mqtt_timeout_s"][0] + config.KEYS["publish_timeout_s"][0]
    assert longest_s * 1000 <= limit_ms <= longest_s * 1000 + 2000
