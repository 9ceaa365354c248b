"""Options: what would be ignored is refused, what is absurd never gets to a command. `demo` has an end."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from device import config_table, offer
from tools import __main__
from tools.cli import options
from tools.commands import demo
from tools.errors import ToolError
from tools.image import firmware
from tools.simboard.board import FACTS
from tools.testbed.testbed import MAC


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a board's, and as one of a board in it."""
    folder = tmp_path_factory.mktemp("board")
    for place in (folder, folder / MAC):
        place.mkdir(exist_ok=True)
        (place / FACTS).write_text(json.dumps({}))
    return folder


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("simboard {board} --config x", "--config"),
        ("simboard {board} --certs x --image y", "--certs, --image"),
        ("simboard {board} --heap 64", "--heap"),
        ("simboard {board} --count 1 --config x --heap 64", "--config, --heap"),
        ("simboard {board} --port 2323", "--port"),
        ("simboard --repl --config x", "--config"),
        ("simboard --repl --count 3", "--count"),
        ("simboard none --count 3 --mac 286DCE32AF70", "--mac"),
        ("build --romfs --output {board}/x --board lamp", "--board"),
        ("build --romfs --output {board}/x --build-time=May\u202f24", "--build-time"),
        ("sign x --key y --board lamp", "--board"),
        ("sign x --key y --output z", "--output"),
        ("bench --server --only heap_update", "--only"),
        ("bench --server --json {board}/x", "--json"),
        ("bench --json {board}/x --plot {board}/y/../x", "cannot hold two results"),
        ("torture --case message/idf/1 --full", "--full"),
        ("torture --mutants --attacks", "--attacks"),
        ("torture --only message", "classes of attacks"),
        ("doctor /dev/ttyUSB0 --traceback x", "PORT"),
    ],
)
def test_what_would_be_ignored_is_refused(line: str, named: str, board: Path, capsys) -> None:
    words = line.format(board=board).split()
    try:
        code = __main__.main(words)
    except SystemExit as end:
        code = end.code
    told = capsys.readouterr().err.splitlines()[-1]
    assert code and "error: " in told and named in told, told


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (options.port, ["1", "65535"], ["0", "65536", "99999", "-1", "", "8883 ", "1e3", "0x50", "٣"]),
        (options.any_port, ["0", "8443"], ["65536", "http"]),
        (options.days, ["1", "36500"], ["0", "36501", "99999999", "9" * 5000]),
        (options.unix_time, ["0", "1800000000", "1800000000000"], ["-1", "9" * 18, "9" * 5000, "now", "1.5"]),
        (
            options.moment,
            ["0", "1800000000000", "2026-11-30T02:00", "2026-11-30"],
            ["soon", "99999999999999999", "0001-01-01", "9999-99-99", "1969-12-30"],
        ),
        (
            options.build_time,
            ["May 24 2024 10:33:41", "Jan 01 1970 00:00:00", "Feb 29 2028 23:59:59"],
            [
                *("yesterday", "", "24 May 2024", "May 32 2024 10:33:41", "Feb 29 2027 10:33:41"),
                *("may 24 2024 10:33:41", "May  4 2024 10:33:41", "May 4 2024 10:33:41"),
                *("May 24\u202f2024 10:33:41", "May 24 2024 10:33:41 ", "May 24 2024\n10:33:41"),
                *("May 2\u0664 2024 10:33:41", "May 24 2024 10:33:61", "May 24 0024 10:33:41"),
            ],
        ),
        (
            options.host,
            ["a.example", "10.0.0.1", "::1", "my_host"],
            ["", "a b", "https://h", "a/b", "x" * 254],
        ),
        (
            options.name,
            ["lamp", "灯 💡", "x" * 64],
            ["", " ", "x" * 65, "a\nb", "\x1b[2J", "\udcff", "\u202e"],
        ),
        (options.prefix, ["wm_iot", "/wm_iot", "a/b"], ["", "a b", "a/+", "#", "x" * 65, "a\nb"]),
        (options.path, ["a b", "../ö"], ["", "a\nb", "\udcff"]),
    ],
)
def test_types(parse: Callable[[str], object], good: list[str], bad: list[str]) -> None:
    for text in good:
        parse(text)
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError):
            parse(text)


def test_a_build_time_is_written_as_builds_write_it() -> None:
    for unix_s in (0, 951782400, 1716546821, 4102444799):
        text = firmware.format_time(unix_s)
        assert options.build_time(text) == text


@pytest.mark.parametrize("epoch", ["", "-1", "1e9", "9" * 12, "\u00b2", "\u0661", "1 "])
def test_an_epoch_that_is_none_is_refused(epoch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(ToolError, match="SOURCE_DATE_EPOCH must be Unix seconds"):
        firmware.default_build_time()


def test_limits_are_those_of_boards() -> None:
    for key in ("board", "topic_prefix"):
        assert config_table.KEYS[key][2] == options.NAME_LIMIT
    assert options.SECONDS_LIMIT == offer.SECONDS_LIMIT


def test_a_moment_is_in_seconds() -> None:
    assert options.moment("1800000000000") == options.moment("1800000000") == 1800000000


def _demo(ended: str, monkeypatch: pytest.MonkeyPatch) -> demo.Demo:
    """On a testbed where nothing is heard."""

    def hear_nothing(predicate: object, limit_s: float) -> None:
        raise TimeoutError

    monkeypatch.setattr(demo, "LIMIT_S", 0.2)
    playing = demo.Demo.__new__(demo.Demo)
    testbed = SimpleNamespace(
        board=SimpleNamespace(ended=ended, lines=["boot: \x1b[31m"]),
        operator=SimpleNamespace(wait_for=hear_nothing),
    )
    playing.testbed = testbed  # type: ignore[assignment]
    return playing


@pytest.mark.parametrize(("ended", "words"), [("bricked", "the board is bricked"), ("", "not end within")])
def test_the_demo_of_a_board_that_says_nothing_ends(ended: str, words: str, monkeypatch) -> None:
    with pytest.raises(ToolError, match=words):
        _demo(ended, monkeypatch)._wait_for(lambda message: True)
