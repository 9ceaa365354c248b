"""Why a serial port does not open, an application's files, a board's errors: words that lead to the cure."""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.commands import deploy
from tools.errors import ToolError
from tools.realboard import errnos, payload, ports, session
from tools.realboard.deployment import Deployment, Result
from tools.realboard.session import Session


@pytest.fixture
def serial_port() -> Iterator[str]:
    host, board = pty.openpty()
    yield os.ttyname(board)
    os.close(host)
    os.close(board)


def _open(port: str) -> str:
    with pytest.raises(ToolError, match=f"^cannot open {port}: ") as told, Session(port):
        pass
    return str(told.value)


@contextlib.contextmanager
def _locked(port: str) -> Iterator[None]:
    """As pyserial and mpremote do."""
    other = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        yield
    finally:
        os.close(other)


def test_a_port_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "on_usb", lambda: [])
    assert "is not there: no board is on USB" in _open("/dev/ttyUSB77")
    monkeypatch.setattr(ports, "on_usb", lambda: ["/dev/ttyACM0"])
    assert "choose from /dev/ttyACM0" in _open("/dev/ttyUSB77")


def test_a_port_that_one_may_not_use(serial_port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may use each, so the system is asked in its place."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with _locked(serial_port):
        told = _open(serial_port)
    assert "you may not use it: `sudo usermod -aG " in told and "log in anew" in told


def test_a_port_in_use(serial_port: str) -> None:
    with _locked(serial_port):
        assert "end other programs that may use it" in _open(serial_port)


def test_a_port_whose_board_is_gone(serial_port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other program is blamed for it as if that were known."""

    def open_port(*_: object, **__: object) -> None:
        raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))

    monkeypatch.setattr(session, "SerialTransport", open_port)
    assert "it is there, but busy or broken: " in _open(serial_port)


@pytest.mark.parametrize(
    ("port", "words"),
    [("socket://127.0.0.1:1", "no connection: check HOST and PORT"),
     ("nonsense://x", "a port is like /dev/ttyUSB0"),
     (__file__, "is not a serial port"), ("/", "is not a serial port")],
)  # fmt: skip
def test_what_is_no_port(port: str, words: str) -> None:
    assert words in _open(port)


@pytest.mark.parametrize(
    ("detail", "words"),
    [("localhost: 111", "localhost: the connection was refused"),
     ("OSError: -202", "cannot be resolved (-202)"),
     ("h: 116", "no answer (116)"), ("h: 113", "no way to this host"), ("h: 9999", "h: 9999"),
     ("code 111", "code 111"), ("h: 111 times", "h: 111 times"), ("", "")],
)  # fmt: skip
def test_numbers_become_words(detail: str, words: str) -> None:
    assert words in errnos.explain(detail)


@pytest.mark.parametrize(
    "name", ["ota.json", "certs/client.key.der", "ota_state.json", "ota_floor", "ota_journal.0"]
)
def test_an_application_does_not_replace_what_is_the_boards_own(name: str, tmp_path: Path) -> None:
    """The command ends before it opens the port."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("{}")
    with pytest.raises(ToolError, match=f"{name} would replace the board's own"):
        deploy.check_application(argparse.Namespace(app=tmp_path, source=True))
    (tmp_path / name).unlink()
    (tmp_path / "ota_state_lamp.py").write_text("x = 1\n")
    assert "lib/ota_state_lamp.py" in payload.application(tmp_path, source=True)


class _Board:
    """With a main.py of the user's own on it."""

    def call(self, function: str, *arguments: object) -> object:
        return {"first_line": "import lamp", "exists": True}.get(function)

    def load(self, name: str) -> None: ...


def test_a_starter_that_comes_with_the_application_is_not_called_kept() -> None:
    for brought, kept in ((["main.py"], ["boot.py"]), ([], ["boot.py", "main.py"])):
        deployment = Deployment(_Board(), lambda done, total: None)  # type: ignore[arg-type]
        assert deployment.choose_starters(False, brought) == {}
        assert deployment._result == Result(kept=kept)
