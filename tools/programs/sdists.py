"""Source archives of packages that pip can only build, or not even that: fetched, not installed."""

from __future__ import annotations

import ast
import importlib.util
import os
import ssl
import subprocess
import sys
from pathlib import Path

from tools.errors import ToolError

PIP_LIMIT_S = 30


def download(name: str, version: str, sha256: str, scratch: str, hint: str) -> Path:
    """unearth compares the SHA-256 before it hands the file over. hint: what to do where that is impossible.
    Raises ToolError."""
    print(f"fetching {name} {version} …", file=sys.stderr)
    try:
        found = finder().find_best_match(f"{name}=={version}").best
        if found is None:
            raise ToolError(f"no package index here has {name} {version}: check pip's, {hint}")
        return finder().download(found.link, scratch, hashes={"sha256": [sha256]})
    except ToolError:
        raise
    except Exception as error:
        # unearth lets errors of several libraries through; each means the same to a person.
        raise ToolError(f"cannot fetch {name} ({type(error).__name__}: {error}); {hint}") from None


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
