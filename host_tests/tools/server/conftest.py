"""A server's book-keeping without network; what a server is given, and an image to push."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from fleetworld import World

from tools.image import firmware, signing
from tools.keys import keyfiles


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(scope="module")
def given(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the server is given: a copy of keys/server on another machine, so to speak."""
    folder = tmp_path_factory.mktemp("machine") / "keys"
    shutil.copytree(keys / "server", folder / "server")
    return folder


@pytest.fixture(scope="session")
def image() -> bytes:
    return firmware.build_image("1.0.1", "esp32", "lamp")


@pytest.fixture(scope="module")
def offer(image: bytes, keys: Path) -> dict:
    key = keyfiles.read_key(keys / "sign.key.pem")
    return signing.offer(image, key, version="1.0.1", expires=int(time.time()) + 9999, for_push=True)
