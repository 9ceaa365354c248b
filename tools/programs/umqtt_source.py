"""Fetches umqtt.simple 1.3.4, a package that pip can neither install nor download."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from tools.errors import ToolError
from tools.programs import cache, sdists

NAME = "micropython-umqtt.simple"
VERSION = "1.3.4"
SHA256 = "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f"
HINT = "or set UMQTT_SIMPLE to a folder that holds umqtt/simple.py"
MEMBER = f"{NAME}-{VERSION}/umqtt/simple.py"


def folder() -> Path:
    return cache.folder(f"umqtt.simple-{VERSION}", fill)


def fill(target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        unpack(sdists.download(NAME, VERSION, SHA256, scratch, HINT), target)


def unpack(archive: Path, target: Path) -> None:
    """Takes the one file that is wanted, so no other name in the archive matters."""
    with tarfile.open(archive) as tar:
        member = tar.getmember(MEMBER)
        source = tar.extractfile(member) if member.isfile() else None
        if source is None:
            raise ToolError(f"{NAME} {VERSION} holds no {MEMBER}; {HINT}")
        (target / "umqtt").mkdir()
        (target / "umqtt" / "simple.py").write_bytes(source.read())
