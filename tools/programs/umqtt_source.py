"""Fetches umqtt.simple 1.3.4, a package that pip can neither install nor download."""

from __future__ import annotations

import ast
import importlib.util
import os
import ssl
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tools.errors import ToolError
from tools.programs import cache

NAME = "micropython-umqtt.simple"
VERSION = "1.3.4"
SHA256 = "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f"
HINT = "or set UMQTT_SIMPLE to a folder that holds umqtt/simple.py"
PIP_LIMIT_S = 30
MEMBER = f"{NAME}-{VERSION}/umqtt/simple.py"


def folder() -> Path:
    return cache.folder(f"umqtt.simple-{VERSION}", fill)


def fill(target: Path) -> None:
    print(f"fetching {NAME} {VERSION} …", file=sys.stderr)
    with tempfile.TemporaryDirectory() as scratch:
        unpack(download(scratch), target)


def download(scratch: str) -> Path:
    """unearth compares the SHA-256 before it hands the file over."""
    try:
        found = finder().find_best_match(f"{NAME}=={VERSION}").best
        if found is None:
            raise ToolError(f"no package index here has {NAME} {VERSION}: check pip's, {HINT}")
        return finder().download(found.link, scratch, hashes={"sha256": [SHA256]})
    except ToolError:
        raise
    except Exception as error:
        # unearth lets errors of several libraries through; each means the same to a person.
        raise ToolError(f"cannot fetch {NAME} ({type(error).__name__}: {error}); {HINT}") from None


def finder():
    """A finder that looks where pip is configured to look, else at its default index."""
    hide_stubs()
    from unearth import PackageFinder

    settings = pip_settings()
    index = settings.get("index-url")
    search = PackageFinder(session=session(settings), index_urls=[index] if index else [])
    for url in settings.get("extra-index-url", "").split():
        search.add_index_url(url)
    return search


def hide_stubs() -> None:
    """The MicroPython stubs leave a folder `requests` that unearth takes for the library."""
    if "requests" in sys.modules:
        return
    spec = importlib.util.find_spec("requests")
    if spec is not None and spec.origin is None:
        sys.modules["requests"] = None  # type: ignore[assignment]


def session(settings: dict[str, str]):
    from unearth.fetchers import PyPIClient

    cert = settings.get("cert")
    verify = ssl.create_default_context(cafile=cert) if cert else True
    return PyPIClient(verify=verify, timeout=PIP_LIMIT_S, follow_redirects=True)


def pip_settings() -> dict[str, str]:
    """What pip is configured to use: its files first, the environment over them."""
    settings: dict[str, str] = {}
    for line in sorted(pip_lines(), key=lambda text: text.startswith(":env:")):
        key, _, value = line.partition("=")
        settings[key.rpartition(".")[2]] = ast.literal_eval(value)
    return settings


def pip_lines() -> list[str]:
    command = [sys.executable, "-m", "pip", "config", "list"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PIP_LIMIT_S)
    if result.returncode == 0:
        return [line for line in result.stdout.splitlines() if "=" in line]
    names = ("index-url", "extra-index-url", "cert")
    found = {name: os.environ.get("PIP_" + name.upper().replace("-", "_")) for name in names}
    return [f":env:.{name}={value!r}" for name, value in found.items() if value]


def unpack(archive: Path, target: Path) -> None:
    """Takes the one file that is wanted, so no other name in the archive matters."""
    with tarfile.open(archive) as tar:
        member = tar.getmember(MEMBER)
        source = tar.extractfile(member) if member.isfile() else None
        if source is None:
            raise ToolError(f"{NAME} {VERSION} holds no {MEMBER}; {HINT}")
        (target / "umqtt").mkdir()
        (target / "umqtt" / "simple.py").write_bytes(source.read())
