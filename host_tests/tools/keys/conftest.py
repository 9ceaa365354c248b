"""A folder of keys as it is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.keys import pki


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "pki"
    pki.make_all(folder, ["aa:bb:cc:dd:ee:ff"], ["10.0.0.7", "ota.example"])
    return folder
