"""What a board says reaches no terminal as it is: each way by which it comes, with what can move a cursor,
set a title, hide a line or turn the direction of writing."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from device import errors
from tools import __main__
from tools.cli import console
from tools.commands import deploy, doctor, serve, simboard
from tools.errors import ToolError
from tools.realboard import findings
from tools.realboard.findings import Finding
from tools.realboard.session import BoardError, Session
from tools.server import wire
from tools.simboard.board import SimBoard
from tools.simboard.factory import create_unprovisioned
from tools.simboard.replboard import ReplBoard
from tools.testbed.testbed import MAC

SEQUENCES = {
    "clear": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;https://x\x1b\\here\x1b]8;;\x1b\\",
    "C1 CSI": "\x9b31m",
    "C1 OSC": "\x9d0;owned\x9c",
    "device control": "\x1bP1$q\x1b\\",
    "backspaces": "a\b\b\b\bb",
    "carriage return": "ok\rBAD",
    "new line": "ok\nerror: all is well",
    "vertical": "\x0b\x0c",
    "bell and NUL": "\x07\x00",
    "delete": "\x7f",
    "next line": "\x85",
    "bidi override": "\u202egnp.exe",
    "bidi isolate": "\u2066x\u2069",
    "line separator": "a\u2028b\u2029c",
    "byte order mark": "\ufeff",
    "half a pair": "\ud83d",
    "tags": "\U000e0041",
}
every = pytest.mark.parametrize("text", SEQUENCES.values(), ids=SEQUENCES)
GOOD = "grüße, 灯 💡, 'quoted' \\ [bold]"


@every
def test_all_of_it_is_spelled_out(text: str) -> None:
    shown = console.clean(f"<{text}>")
    assert shown.isprintable() and shown.startswith("<") and shown.endswith(">")
    assert len(shown) > len(text) + 2 and console.clean(shown) == shown


def test_what_people_write_stays() -> None:
    assert console.clean(GOOD) == GOOD
    assert console.clean("a\tb\n\x1b", keep="\t\n") == "a\tb\n\\x1b"


class _Board:
    """mpremote's transport to a board whose code ends in this exception."""

    def __init__(self, text: str) -> None:
        trace = f"Traceback (most recent call last):\n  File\nValueError: {text}"
        self.problem = trace.encode(errors="replace")

    def exec_raw(self, code: str, timeout: float) -> tuple[bytes, bytes]:
        return b"", self.problem


@every
def test_an_exception_on_a_board(text: str) -> None:
    session = Session("/dev/ttyUSB0")
    session._transport = _Board(text)  # type: ignore[assignment]
    with pytest.raises(BoardError) as told:
        session.run("x")
    assert str(told.value).isprintable()


@every
def test_the_error_of_any_command(text: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def fail(argv: list[str]) -> int:
        raise (ToolError if argv else lambda text: OSError(2, "none", text))(text)

    monkeypatch.setattr(__main__, "run", fail)
    for argv in (["command"], []):
        assert __main__.main(argv) == 1
        assert all(map(str.isprintable, capsys.readouterr().err.split("\n")))


@every
def test_lines_of_doctor_and_deploy(text: str) -> None:
    out = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    doctor._show("broker", Finding(findings.BAD, text, text), out)
    deploy.show(deploy.Result(min_version=text), out)
    shown = out.file.getvalue()  # type: ignore[attr-defined]
    assert len(shown.split("\n")) == 4 and all(map(str.isprintable, shown.split("\n"))), ascii(shown)


def test_a_traceback_in_the_sources_names(tmp_path: Path, capsys) -> None:
    path = tmp_path / "printed"
    path.write_text("".join(SEQUENCES.values()), encoding="utf-8", errors="surrogatepass")
    doctor.run(argparse.Namespace(traceback=str(path), port=None, offer=None))
    assert all(map(str.isprintable, capsys.readouterr().out.split("\n")))


@every
def test_the_console_of_a_simulated_board_and_the_log_of_the_server(text: str, capfd) -> None:
    simboard._show(SimBoard.__new__(SimBoard), text)
    shown = serve.Shown(Console(file=io.StringIO()), live=False)
    shown.log("286DCE32AF70", text)
    lines = capfd.readouterr().out.split("\n")
    assert len(lines) == 3 and all(map(str.isprintable, lines))
    assert all(map(str.isprintable, shown._lines))


@every
@pytest.mark.parametrize(
    ("name", "data"),
    [(wire.REPORT, {"type": "INIT", "build_time": "?", "slot": "?"}),
     (wire.PROGRESS, {"errorCode": errors.CONNECTION_FAILED, "cause": "?", "field": "?"}),
     (wire.PROGRESS, {"state": "confirmed"}), (wire.GET, None)],
)  # fmt: skip
def test_reports_and_what_is_stored_of_them(name: str, data: dict | None, text: str) -> None:
    said = {"msg_sequence": 1, "version": text, "slot": text, "state": text, "knows": [text, f"a{text}"]}
    if data is None:
        heard: object = wire.question(json.dumps(said).encode())
    else:
        filled = {key: text if value == "?" else value for key, value in data.items()}
        said["data"] = {"version": f"1.0.0{text}", **filled}
        heard = wire.report(name, json.dumps(said).encode())
    found = _texts(heard)
    assert len(found) >= 4 and all(map(str.isprintable, found)), ascii(found)


def _texts(value: object) -> list[str]:
    """All of them, of whatever holds them."""
    if isinstance(value, str):
        return [value]
    if dataclasses.is_dataclass(value):
        value = list(vars(value).values())
    return [text for part in value for text in _texts(part)] if isinstance(value, (list, tuple)) else []


def test_the_last_words_of_a_program_are_one_line() -> None:
    assert console.last_words("  a\r\n\n b\n") == "a | b"
    assert console.last_words("x" * 500 + "\nend") == "x" * 394 + " | end"


def test_a_terminal_of_few_characters_gets_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The streams spell out what an encoding lacks, with the same backslashes."""
    raw = io.BytesIO()
    with console.Output(raw, encoding="ascii", errors=console.ERRORS) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        print(console.clean("".join(SEQUENCES.values()) + GOOD), flush=True)
        written = raw.getvalue()
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in written)


def test_a_board_that_means_harm(tmp_path: Path) -> None:
    """Real MicroPython on a serial line, whose code names its exception so."""
    create_unprovisioned(tmp_path / "board", mac=MAC, networks={})
    with ReplBoard(tmp_path / "board") as playing:
        playing.power_on()
        with Session(playing.url) as session, pytest.raises(BoardError) as told:
            session.run("raise ValueError('\\x1b]0;owned\\x07\\x9b2J\\u202e ok')")
    assert str(told.value) == r"ValueError: \x1b]0;owned\x07\x9b2J\u202e ok"
