"""Lets device code, the board's shims and the portable tests be imported by pytest on CPython."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
PORTABLE = REPO / "host_tests" / "portable"

for folder in (PORTABLE, REPO / "tools/simboard/onboard", REPO / "tools/simboard/cpython", REPO):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import board_imports  # noqa: E402

from tools import runtimes, umqtt_source  # noqa: E402

umqtt_source.hide_stubs()
board_imports.install()
collect_ignore = ["portable/run.py"]


@pytest.fixture(autouse=True)
def _portable_surroundings(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A portable test may write files where it stands; device.link finds umqtt."""
    if PORTABLE not in Path(request.path).parents:
        return
    request.getfixturevalue("monkeypatch").chdir(tmp_path)


def pytest_configure() -> None:
    umqtt = str(runtimes.umqtt())
    if umqtt not in sys.path:
        sys.path.append(umqtt)
