"""The budget of tools/bench: no module and no line may grow beyond it.

Here are the quick lines; the slow ones are held to it by `python3 -m tools bench --check`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bench import budget, cost, lines, measure, plot, probe, readme, site, sizes

QUICK = {name: line for name, line in lines.BY_NAME.items() if line.quick}


@pytest.fixture(scope="module")
def committed() -> dict:
    return budget.load()


def _check(group: str, committed: dict) -> None:
    names = [name for name, line in QUICK.items() if line.group == group]
    assert names
    values = measure.measure(names)
    complaints = budget.over_lines({name: values[name] for name in names}, committed["lines"])
    assert not complaints, "\n".join(complaints)


def test_every_module_stays_within_its_budget(committed: dict) -> None:
    complaints = budget.over_modules(sizes.modules(), committed["modules"])
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("group", sorted({line.group for line in QUICK.values()} - {"verify"}))
def test_quick_lines_stay_within_their_budget(group: str, committed: dict) -> None:
    _check(group, committed)


def test_a_signature_stays_within_its_budget(committed: dict) -> None:
    if not cost.is_counted():
        pytest.skip("no valgrind here runs MicroPython, and times on a busy machine prove nothing")
    _check("verify", committed)


def test_every_line_has_a_budget(committed: dict) -> None:
    assert list(committed["lines"]) == list(lines.BY_NAME)


def test_a_must_that_is_missed_is_said(committed: dict) -> None:
    missed = [
        name for name, value in committed["lines"].items() if lines.holds(lines.BY_NAME[name], value) is False
    ]
    assert committed["must not reached yet"] == missed


def test_the_readme_shows_the_committed_figures(committed: dict, tmp_path: Path) -> None:
    assert readme.written() == readme.table(committed["lines"])
    plot.draw(committed["lines"], tmp_path / "picture.svg")
    assert readme.PICTURE.read_text() == (tmp_path / "picture.svg").read_text()


# The budget's own arithmetic


def test_a_grown_module_is_named_with_the_excess() -> None:
    assert budget.over_modules({"agent": 1000}, {"agent": 1000}) == []
    assert budget.over_modules({"agent": 1050}, {"agent": 1000}) == []
    (complaint,) = budget.over_modules({"agent": 1100}, {"agent": 1000})
    assert complaint == "device/agent.py: 1,100 .mpy bytes, the budget is 1,050: 50 too many, 4.8 %"


def test_a_module_without_budget_and_a_budget_without_module_are_named() -> None:
    complaints = budget.over_modules({"new": 10}, {"old": 10})
    assert [complaint.split()[0] for complaint in complaints] == ["device/new.py", "device/old.py"]


def test_a_line_is_held_to_the_smaller_of_must_and_figure() -> None:
    must = lines.BY_NAME["ecdsa_mpy"].must
    assert must == 6000
    assert budget.limit("ecdsa_mpy", 4000) == pytest.approx(4200)
    assert budget.limit("ecdsa_mpy", 5900) == must
    assert budget.limit("ecdsa_mpy", 8000) == pytest.approx(8400)  # missed already
    assert budget.limit("heap_floor", 9) == pytest.approx(9.45)  # has none
    assert budget.over_lines({"ecdsa_mpy": 6000}, {"ecdsa_mpy": 5900}) == []
    assert len(budget.over_lines({"ecdsa_mpy": 6001}, {"ecdsa_mpy": 5900})) == 1
    assert len(budget.over_lines({"ecdsa_mpy": 8401}, {"ecdsa_mpy": 8000})) == 1
    assert budget.over_lines({"loop_allocations": 0}, {"loop_allocations": 0}) == []
    assert len(budget.over_lines({"loop_allocations": 16}, {"loop_allocations": 0})) == 1


def test_timed_lines_are_told_only() -> None:
    assert lines.BY_NAME["poll_worst"].must == 4
    assert budget.over_lines({"poll_worst": 100, "poll_idle_worst": 100}, {}) == []
    assert lines.holds(lines.BY_NAME["poll_worst"], 100) is False  # and the table says so


def test_a_line_that_was_never_committed_is_named() -> None:
    (complaint,) = budget.over_lines({"ecdsa_mpy": 1}, {})
    assert complaint.startswith("ecdsa_mpy has no budget")


def test_what_a_signature_needs_is_found_by_its_imports() -> None:
    assert sizes.closure("ecdsa") == {"ecdsa", "p256_comb"}
    assert {"agent", "link", "phases", "files", "errors"} <= sizes.closure("agent")
    assert "update" not in sizes.closure("agent")


def test_the_bench_image_has_exactly_the_size_that_is_asked_for() -> None:
    for size in (site.IMAGE_SIZE, 65536, 65537):
        image = site.make_image(size)
        assert len(image) == size
        assert image == site.make_image(size)


def test_silent_steps_leave_out_reports_and_checkpoints() -> None:
    """100 blocks, a percentage each: all report. 1000 blocks: nine of ten do not, checkpoints aside."""

    def found(blocks: int) -> list[int]:
        polls = [probe.Poll(1, 1, 16 * i, i) for i in range(blocks + 1)]
        return probe.silent_steps(probe.Trace(polls, 0, 0, []), blocks * probe.BLOCK)

    with pytest.raises(Exception, match="moved a single block"):
        found(100)
    steps = found(1000)
    assert 800 < len(steps) < 900
    assert set(steps) == {16}


def test_allocations_are_split_at_the_first_block() -> None:
    polls = [probe.Poll(1, 1, *each) for each in ((0, 0), (500, 0), (900, 1), (930, 2), (1000, 3), (0, 3))]
    found = probe.Trace(polls, 0, 0, [])
    assert found.allocated_to_first_block == 900
    assert found.allocated_in_transfer == 30 + 70


def test_what_a_board_has_told_is_found_by_its_first_word() -> None:
    assert cost.reported("together 1\n\ntold 5 a b\ntold 6", "told") == ["5", "a", "b"]
    with pytest.raises(Exception, match="did not report idle"):
        cost.reported("idleness 5\nidle", "idle")


def test_the_picture_shows_what_has_a_must(tmp_path: Path) -> None:
    path = tmp_path / "bench.svg"
    plot.draw({"heap_update": 80, "ecdsa_heap": 20, "journal_writes": 19}, path)
    picture = path.read_text()
    assert picture.count("<rect") == 3  # with the background
    assert plot.GOOD in picture and plot.MISSED in picture
