"""A terminal of 80 columns, or without colours: nothing that matters is cropped, and all is explained."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fleetworld import A, B, C, World
from rich.console import Console, RenderableType

from device import errors
from tools import __main__
from tools.bench import lines, server
from tools.cli import screen
from tools.commands import bench
from tools.programs import cache
from tools.server import tables, view
from tools.torture import report
from tools.torture.attacks import report as attacks
from tools.torture.attacks import table
from tools.torture.classes import CLASSES

COLUMNS = 80
LIMIT_S = 120
LONG = "10.200.3000"
LONGEST = 64 * "9"  # as much as is taken of a board's words
COLOUR = re.compile(r"\x1b\[(\d+;)*[349]\d[;m]")


def shown(renderable: RenderableType, columns: int = COLUMNS) -> str:
    """As a terminal so wide shows it. No line is longer, nothing is cropped."""
    output = io.StringIO()
    Console(file=output, width=columns, highlight=False).print(renderable)
    assert "…" not in output.getvalue()
    assert max(map(len, output.getvalue().splitlines())) <= columns
    return output.getvalue()


@pytest.fixture
def fleet(tmp_path: Path) -> dict:
    """view.fleet: failed with a long cause; waits; a version as long as can be, and certificates that end."""
    world = World(tmp_path / "server")
    for mac, version in ((A, LONG), (B, LONG), (C, LONGEST)):
        world.boot(mac, version)
    world.push(A, B, C, version="10.200.3001")
    world.tick()
    world.say(A, errorCode=errors.WRONG_BOARD, version="10.200.3001", cause="the board is " + 40 * "x")
    found = view.fleet(world.store)
    world.store.close()
    found["devices"][1].update(state="waiting", waits_until=1_800_000_000, tags=["workshop", "third-floor"])
    found["devices"][2].update(state="downloading", progress=40, warning="certificate ends in 12 days")
    found["devices"][2]["slot"] = LONGEST.replace("9", "s")
    return found


def test_devices_in_80_columns(fleet: dict) -> None:
    text = shown(tables.fleet(fleet))
    for row in fleet["devices"]:
        assert any(line.startswith(row["mac"] + " ") for line in text.splitlines())
    for words in (" failed ", "workshop", "third-floor", LONG):
        assert words in text, text
    assert (text.count("x"), text.count("9"), text.count("sss") >= 10) == (40, 64, True), text


def test_a_live_table_leaves_room_for_what_stands_below_it(fleet: dict) -> None:
    """Errors take lines of their own; a push's summary is not pushed off the screen by them."""
    fleet["devices"] = [{**fleet["devices"][0], "mac": f"{number:012X}"} for number in range(100)]
    fleet["known"] = 100
    console = Console(file=io.StringIO(), width=COLUMNS, height=24, highlight=False)
    live = console.render_lines(tables.fitting(fleet, console, 8))
    assert 8 <= len(live) <= 24 - 8
    assert "push 1" in "".join(segment.text for segment in live[-1])
    assert len(fleet["devices"]) >= tables.FEWEST


def test_the_tables_of_bench_in_80_columns() -> None:
    text = shown(bench.table({line.name: 123456789.0 for line in lines.LINES}))
    for line in lines.LINES:
        assert f"{line.name}: " in text
    names = "held answered lost server_us broker_us get_us statement_us server_mib broker_mib"
    shown(server._table(dict.fromkeys(names.split(), 12345)))


def test_the_tables_of_the_torture_in_80_columns() -> None:
    faults = report.Report(Console(), {name: entry.title for name, entry in CLASSES.items()})
    for line in faults.lines.values():
        line.cases, line.repeated = 86_321, 1_234_567
    text = " ".join(shown(faults.table()).split())
    assert "86,321" in text and "1,234,567" in text
    network = attacks.Report(Console())
    for name, entry in table.ATTACKS.items():
        network.lines[name] = attacks.Line(entry.title, 1320, 64, 64)
        network.lines[name].codes.update([errors.WRONG_BOARD, errors.HEADER_INVALID, errors.NO_CLOCK])
    words = shown(network._table()).split()
    for entry in table.ATTACKS.values():
        assert set(entry.title.split()) <= set(words), entry.title


@pytest.mark.parametrize(("columns", "width"), [("", 128), ("80", 80)])
def test_a_file_has_room_for_wide_tables(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert screen.wide(128).width == width


@pytest.mark.parametrize("command", __main__.COMMANDS)
def test_help(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each argument says what it is, paragraphs stay, and no line is too long."""
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    module = __main__.load(command)
    parser = __main__.parser_of(module, command)
    assert not [action.dest for action in parser._actions if not action.help]
    text = parser.format_help()
    assert max(map(len, text.splitlines())) <= COLUMNS
    assert all(part.split()[-1] + "\n\n" in text for part in module.__doc__.strip().split("\n\n"))


def test_the_overview_fits() -> None:
    assert max(map(len, __main__.overview().splitlines())) <= COLUMNS


def in_a_terminal(folder: Path, **environment: str) -> str:
    """What `devices` writes to a terminal with colours."""
    number, terminal = pty.openpty()
    kept = {name: text for name, text in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run(
        [sys.executable, "-m", "tools", "devices", str(folder)], cwd=cache.REPO, timeout=LIMIT_S, check=True,
        stdin=terminal, stdout=terminal, stderr=terminal,
        env={**kept, "TERM": "xterm-256color", **environment},
    )  # fmt: skip
    os.close(terminal)
    said = b""
    try:
        while part := os.read(number, 4096):
            said += part
    except OSError:  # that was all of it
        pass
    os.close(number)
    return said.decode()


def test_no_color(fleet: dict, tmp_path: Path) -> None:
    """https://no-color.org; rich does it, and nothing but rich writes colours."""
    assert COLOUR.search(in_a_terminal(tmp_path / "server"))
    assert not COLOUR.search(in_a_terminal(tmp_path / "server", NO_COLOR="1"))
    for path in (cache.REPO / "tools").rglob("*.py"):
        assert not re.search(r"\\(033|x1b|u001b|e)\[", path.read_text()), path
