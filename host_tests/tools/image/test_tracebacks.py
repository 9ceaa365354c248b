"""Tracebacks of shortened .mpy files, as a board prints them, in the names of the sources."""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from pathlib import Path

import pytest

from tools.cli import wholefile
from tools.commands import doctor
from tools.image import firmware, romfs
from tools.image.shortnames import ShortNames
from tools.programs import runtimes

PART = """\
class Part:
    def __init__(self):
        self._size = 3

    def _read(self, wanted):
        return self._size + wanted._missing


def _fail(part):
    return part._read(part)


def run():
    _fail(Part())


def use(it):
    it._missing = 1
"""


@pytest.fixture
def printed(tmp_path: Path) -> str:
    """What MicroPython prints about PART, shortened and compiled as the package is."""
    (tmp_path / "device").mkdir()
    (tmp_path / "part.py").write_text(PART)
    text = ShortNames({"part": PART}).shorten("part")
    code = romfs.compile_module(tmp_path / "part.py", "part", 0, text)
    (tmp_path / "device" / "part.mpy").write_bytes(code)
    command = [*runtimes.interpreter("mp32"), "-c", "from device import part\npart.run()"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    return done.stderr


def test_a_traceback_has_the_sources_names_and_lines(printed: str) -> None:
    assert "_read" not in printed and "_fail" not in printed and "_missing" not in printed
    shown = ShortNames({"part": PART}).restore(printed)
    frames = ("14, in run", "10, in _fail", "6, in _read")
    places = [shown.index(f'  File "device/part.py", line {frame}\n') for frame in frames]
    assert places == sorted(places)
    assert "AttributeError: 'Part' object has no attribute '_missing'" in shown


def _any_name() -> tuple[str, str, str]:
    """A module of the package, a private name of it, and what that is called on a board."""
    for module, names in firmware.short_names().short.items():
        for name, short in names.items():
            return module, name, short
    raise AssertionError("the package has no private names")


def test_what_is_no_frame_of_ours_stays() -> None:
    module, _, short = _any_name()
    ours = f'  File "{module}", line 3, in {short}\n'
    text = (
        f'I/ota {short}\n  File "main.py", line 3, in <module>\n'
        f"  File \"device/{module}.py\", line 3, in {short}\nValueError: '{short}'"
    )
    assert firmware.short_names().restore(ours + text).endswith(text)


@pytest.mark.parametrize("where", ["file", "-"])
def test_doctor_shows_a_traceback_that_was_pasted(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, name, short = _any_name()
    text = f'Traceback (most recent call last):\n  File "{module}", line 1, in {short}\nOSError: -2\n'
    path = tmp_path / "printed.txt"
    printed = text.replace("\n", "\r\n").encode() + b"\xc3(\r\n"  # as a terminal has it, and odd bytes
    assert _restored(path, where, printed, monkeypatch) == 0
    expected = text.replace(f'"{module}"', f'"device/{module}.py"').replace(f"in {short}", f"in {name}")
    assert capsys.readouterr().out == expected + "\ufffd(\n"


@pytest.mark.parametrize("where", ["file", "-"])
def test_what_has_no_end_is_refused(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="File too large"):
        _restored(tmp_path / "printed.txt", where, bytes(wholefile.LARGEST + 1), monkeypatch)


def _restored(path: Path, where: str, printed: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of `doctor --traceback` for what is in a file or on standard input."""
    path.write_bytes(printed if where == "file" else b"")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(printed), encoding="utf-8"))
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    return doctor.run(parser.parse_args(["--traceback", str(path) if where == "file" else "-"]))
