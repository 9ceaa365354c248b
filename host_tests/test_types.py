"""The types of device/, against the stubs of the ESP32 port."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
TOOL_LIMIT_S = 300

# What micropython-esp32-stubs lacks though boards have it: (file, message).
STUB_GAPS = {
    ("device/connection.py", '"SSLContext" has no attribute "verify_mode"'),
    ("device/board.py", 'Argument 1 to "Partition" has incompatible type "int"; expected "str"'),
    ("device/online.py", 'Module has no attribute "socket"'),
}


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both packages of stubs in a folder of their own: they are typeshed and search path at once,
    and mypy takes neither from site-packages."""
    target = tmp_path_factory.mktemp("stubs")
    for package in ("micropython-esp32-stubs", "micropython-stdlib-stubs"):
        for file in importlib.metadata.files(package) or []:
            if file.suffix == ".pyi" or file.name == "VERSIONS":
                place = target / file
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), place)
    return target


def test_types(stubs: Path) -> None:
    """mypy against the ESP32's own modules, with the settings in pyproject.toml."""
    options = ["--custom-typeshed-dir", str(stubs), "--cache-dir", str(stubs / "cache")]
    result = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "device", "main.py", "boot.py"],
        cwd=REPO, env={**os.environ, "MYPYPATH": str(stubs)}, capture_output=True, text=True,
        timeout=TOOL_LIMIT_S,
    )  # fmt: skip
    errors = re.findall(r"^(\S+?):\d+: error: (.*?)  \[", result.stdout, re.MULTILINE)
    assert "checked" in result.stdout, result.stdout + result.stderr
    assert set(errors) - STUB_GAPS == set(), result.stdout
    assert STUB_GAPS - set(errors) == set(), "these gaps are closed: take them from STUB_GAPS"
