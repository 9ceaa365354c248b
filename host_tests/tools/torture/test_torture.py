"""The torture itself: its cases have names that find them again, and it can fail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.console import Console

from device import config_table, errors
from tools.__main__ import main
from tools.errors import ToolError
from tools.image import firmware
from tools.programs import cache
from tools.torture import classes, earlier, fixture, mutants, newapplication, pool, releases
from tools.torture.applications import APPLICATIONS, Application
from tools.torture.attacks import forge, table
from tools.torture.attacks.cases import attack, control, is_control
from tools.torture.attacks.report import Line as AttackLine
from tools.torture.attacks.report import Report as AttackReport
from tools.torture.attacks.table import ATTACKS
from tools.torture.earlierboards import SharedBoards
from tools.torture.report import Line
from tools.torture.safeguards import MUTANTS, Mutant
from tools.torture.trace import Trace

MODES = tuple(fixture.KINDS)


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fixtures")
    fixture.make(folder)
    return folder


@pytest.fixture(scope="module")
def traces(fixtures: Path) -> dict[str, Trace]:
    return pool.traces(fixtures)


@pytest.fixture(scope="module")
def grounds(fixtures: Path) -> dict[str, forge.Ground]:
    return forge.grounds(fixtures)


def test_the_undisturbed_run_is_what_the_cases_build_on(traces):
    for trace in traces.values():
        blocks = -(-trace.image_size // fixture.BLOCK)
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


def test_a_sweep_cuts_at_every_later_operation(fixtures, traces):
    last = len(traces["idf"].operations) - 30  # before the record says that it is confirmed
    case = classes.find(f"pairs/idf/{last}", traces["idf"])
    results = list(pool.play_all([pool.Request("idf", [case], branch=True)], fixtures, 1))
    numbers = [int(result["id"].rsplit("/", 1)[1]) for result in results]
    assert numbers == list(range(last + 1, last + 1 + len(numbers))) and len(numbers) > 4
    assert {result["outcome"] for result in results} == {"ok"}


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.safeguard for mutant in MUTANTS])
def test_every_mutant_fits_the_sources(mutant):
    for module, before, after in mutant.changes:
        mutants.changed((cache.REPO / "device" / f"{module}.py").read_text(), before, after)
    tests = [name for name in mutant.noticed_by if "::" in name]
    assert set(mutant.noticed_by) - set(tests) <= {*classes.CLASSES, *ATTACKS}
    for path, name in (test.split("::") for test in tests):
        assert f"def {name}(" in (cache.REPO / path).read_text()


def test_a_mutant_that_fits_no_more_is_not_taken_for_noticed():
    for source in ("good = 1", "good = bad = bad"):
        with pytest.raises(ToolError):
            mutants.changed(source, "bad", "worse")
    with pytest.raises(ToolError):
        mutants.changed("if True:\n    pass\n", "    pass\n", "")


@pytest.mark.sample(12)
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.safeguard for mutant in MUTANTS])
def test_a_missing_safeguard_is_noticed(mutant, traces, grounds, fixtures):
    assert mutants.first_failure(mutant, traces, grounds, fixtures, 2)


def test_a_test_that_passes_notices_nothing(tmp_path, fixtures):
    harmless = Mutant(
        "none", "ecdsa", "_POINT = const(65)", "_POINT = const(64 + 1)",
        ("host_tests/portable/test_ecdsa_encodings.py::test_keys_off_the_curve",),
    )  # fmt: skip
    assert mutants.first_failure(harmless, {}, {}, fixtures, 1) is None


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_has_its_name_and_its_class_a_twin(name, grounds):
    found = [case for ground in grounds.values() for case in table.every(name, ground)]
    assert len({case["id"] for case in found}) == len(found)
    assert any(is_control(case) for case in found) and not all(is_control(case) for case in found)
    assert table.find(found[0]["id"], grounds)[1] == found[0]


def test_the_readme_tells_how_many_attacks_there_are(grounds):
    text = (cache.REPO / "device" / "SECURITY.md").read_text()
    counts = [0, 0]
    for name, entry in ATTACKS.items():
        found = [is_control(case) for ground in grounds.values() for case in table.every(name, ground)]
        row = re.search(rf"^{re.escape(entry.title)} +(\d+) .* (\d+)/(\d+)  ", text, re.MULTILINE)
        assert row and list(map(int, row.groups())) == [found.count(False), sum(found), sum(found)], name
        counts = [counts[0] + found.count(False), counts[1] + sum(found)]
    assert f"{counts[0]} attacks in {len(ATTACKS)} classes" in text
    claim = f"f {counts[0]} attacks 0 install anything, and all {counts[1]} valid controls"
    assert claim in text.replace("\n", " ")
    assert claim in (cache.REPO / "README.md").read_text()


def _play(case, grounds, fixtures):
    """The outcome of an attack of our own on the esp32 board."""
    request = pool.Request(grounds["idf"].trace.fixture, [case])
    (result,) = pool.play_all([request], fixtures, 1, heap=pool.HEAP["attacks"])
    return result["outcome"]


def test_attack_verification_can_fail(grounds, fixtures):
    assert _play(attack("good", image="new"), grounds, fixtures) == "accepted"
    assert _play(attack("other", image="next"), grounds, fixtures) == "unverified"
    assert _play(attack("reported", errors.SHA256_ECDSA, image="foreign"), grounds, fixtures) == "ok"
    assert _play(attack("silent", image="foreign"), grounds, fixtures) == "wrong"
    assert _play(attack("code", errors.WRONG_BOARD, image="foreign"), grounds, fixtures) == "wrong"
    touched = attack("touched", errors.SHA256_ECDSA, image="foreign", untouched=True)
    assert _play(touched, grounds, fixtures) == "wrong"
    assert _play(control("refused", image="foreign"), grounds, fixtures) == "lost"
    polls = attack("asked", pushes=0, poll=True, config={"check_interval_s": 1})
    assert _play(polls, grounds, fixtures) == "accepted"


def test_the_report_counts_attacks_and_controls_apart(capsys):
    report = AttackReport(Console(width=120))
    line = report.lines["x"] = AttackLine("x")
    for outcome in ("ok", "unverified", "accepted", "crashed", "lost"):
        report.add(line, attack("a"), {"outcome": outcome, "detail": "", "id": "a", "codes": [-1, -1]})
    report.add(line, control("a"), {"outcome": "lost", "detail": "", "id": "a"})
    report.add(line, control("b"), {"outcome": "ok", "detail": "", "id": "b"})
    assert report.finish() == 1
    said = capsys.readouterr().out.splitlines()[-1]
    counts = "2 accepted, 1 crashed, 0 hung, 1 locked out; 1 of 2 valid controls accepted"
    assert said == "5 attacks in 1 classes: " + counts
    assert line.codes == {-1: 5}


def test_a_class_counts_what_did_not_survive():
    line = Line("x")
    for outcome in ("ok", "bricked", "silent", "wrong", "ok"):
        line.add({"outcome": outcome, "repeated": 7})
    assert (line.cases, line.repeated) == (5, 7)
    assert line.counts == {"bricked": 1, "unverified": 0, "hung": 0, "lost": 0, "unreported": 2}


def test_one_case_alone_shows_what_the_board_says(traces, capfd):
    middle = traces["w80x"].slot_writes()[4]
    assert main(["torture", "--case", f"cut/w80x/{middle}-after"]) == 0
    shown = capfd.readouterr().out
    assert re.search(r"going on at byte \d+", shown) and shown.rstrip().endswith("ok")


@pytest.mark.parametrize("identity", ["cut/idf/99999-before", "cut", "nothing/idf/1", "cut/riscv/1"])
def test_a_case_that_is_not_there(identity, capfd):
    assert main(["torture", "--case", identity]) == 1
    assert len(capfd.readouterr().err.strip().splitlines()) == 1


def test_the_longest_poll_is_what_the_settings_say():
    source = (cache.REPO / "tools/torture/simulation/simulation.py").read_text()
    limit_ms = int(re.search(r"_LONGEST_POLL_MS = ([\d_]+)", source)[1].replace("_", ""))
    longest_s = config_table.KEYS["mqtt_timeout_s"][0] + config_table.KEYS["publish_timeout_s"][0]
    assert longest_s * 1000 <= limit_ms <= longest_s * 1000 + 2000


@pytest.mark.parametrize("name", APPLICATIONS)
def test_every_broken_application_is_an_image(name, tmp_path):
    """What mpy-cross refuses would never come so far."""
    (tmp_path / "main.py").write_text(APPLICATIONS[name].source)
    assert firmware.build_image("1.0.1", "esp32", "lamp", app=tmp_path) and APPLICATIONS[name].causes


def test_a_broken_application_is_played_by_its_name():
    assert main(["torture", "--case", "application/import"]) == 0
    with pytest.raises(ToolError):
        newapplication.play_one("application/none", Path(), print)


def test_an_application_that_is_not_told_right_is_noticed(fixtures, monkeypatch):
    wrong = Application("1 // 0\n", ["ImportError"])
    monkeypatch.setitem(APPLICATIONS, "import", wrong)
    assert newapplication.play("import", fixtures)["outcome"] == "silent"


@pytest.fixture(scope="module")
def shared(fixtures, tmp_path_factory) -> SharedBoards:
    """With boards that have lived under the earlier release."""
    try:
        releases.sources(releases.EARLIER)
    except ToolError as error:
        pytest.skip(str(error))
    return SharedBoards(fixtures, tmp_path_factory.mktemp("shared"))


def _play_earlier(shared, play, release=releases.EARLIER):
    return earlier.play(earlier.Case("earlier/own", release, play), shared)


@pytest.mark.parametrize("name", ["there/raises", "back/again"])
def test_between_two_releases(shared, name):
    (case,) = [case for case in earlier.whole() if case.id == "earlier/" + name]
    assert earlier.play(case, shared)["outcome"] == "ok"


def test_what_is_lost_between_two_releases_is_noticed(shared):
    def forgets(testbed):
        testbed.start()
        testbed.check_memory(1, "1.0.2")  # is nobody's minimum version

    def takes(testbed):
        testbed.start()
        testbed.expect(testbed.signed(testbed.build("1.0.2"), "1.0.2", 1), errors.REFUSED_IMAGE)

    assert _play_earlier(shared, forgets)["outcome"] == "lost"
    assert _play_earlier(shared, takes, releases.TODAY)["outcome"] == "unverified"


def test_a_checkout_without_history_says_so(fixtures, monkeypatch, capsys):
    monkeypatch.setattr(releases, "COMMIT", "0" * 40)
    assert list(earlier.results(fixtures, full=False, jobs=1)) == []
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(earlier.TITLE + ": not played: ")
    with pytest.raises(ToolError):
        earlier.play_one("earlier/there/again", fixtures, print)


def test_a_case_between_two_releases_that_is_not_there(fixtures):
    with pytest.raises(ToolError, match="no case"):
        earlier.play_one("earlier/there/nowhere", fixtures, print)
