"""Programs that are fetched: with security updates where a mirror of them is known; old ones are told of."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tools.commands import serve
from tools.errors import ToolError
from tools.programs import cache, debian

MAIN, SECURITY = "http://main.example/", "http://updates.example/"


@pytest.mark.parametrize(
    ("known", "works", "expected"),
    [(True, True, 2), (True, False, 1), (False, True, 1)],
    ids=["with", "mirror fails", "none known"],
)
def test_security_updates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, works: bool, expected: int
) -> None:
    """Which lines apt is left with."""

    def apt(root: Path, *_: str) -> str:
        if "security" in (root / "sources.list").read_text() and not works:
            raise ToolError("no such suite")
        return ""

    monkeypatch.setattr(debian, "apt", apt)
    monkeypatch.setattr(debian, "mirror_of", lambda *_: SECURITY if known else None)
    debian._update(tmp_path, "deb ", MAIN, "trixie")
    lines = (tmp_path / "sources.list").read_text().splitlines()
    assert lines == [f"deb {MAIN} trixie main", f"deb {SECURITY} trixie-security main"][:expected]


def test_a_mirror_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def apt(*_: object) -> str:
        raise ToolError("broken")

    monkeypatch.setattr(debian, "apt", apt)
    monkeypatch.setattr(debian, "mirror_of", lambda *_: None)
    with pytest.raises(ToolError, match="broken"):
        debian._update(tmp_path, "deb ", MAIN, "trixie")


def test_an_old_mosquitto_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    program = tmp_path / "trixie-amd64-mosquitto" / "usr" / "sbin" / "mosquitto"
    program.parent.mkdir(parents=True)
    assert serve.notes_on_mosquitto(["loader", str(program)]) == []
    then = time.time() - 40 * 86400
    os.utime(tmp_path / "trixie-amd64-mosquitto", (then, then))
    (note,) = serve.notes_on_mosquitto(["loader", str(program)])
    assert "fetched 40 days ago" in note
    assert serve.notes_on_mosquitto(["/usr/sbin/mosquitto"]) == []
