"""An application to build into images."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A toy application whose modules say where they come from."""
    folder = tmp_path / "app"
    (folder / "toy" / "__pycache__").mkdir(parents=True)
    (folder / "toy" / "__pycache__" / "x.pyc").write_bytes(b"cache")
    (folder / ".hidden").write_text("hidden")
    (folder / "data.json").write_text("{}")
    (folder / "main.py").write_text("import toy.part\nprint('ran', toy.part.add(40, 2))\n")
    (folder / "toy" / "__init__.py").write_text("")
    (folder / "toy" / "part.py").write_text("def add(a, b):\n    return a + b\n")
    return folder
