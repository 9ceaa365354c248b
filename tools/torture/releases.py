"""Two releases: today's, and the one that boards in the field have, from this checkout's own history."""

from __future__ import annotations

import io
import subprocess
import tempfile
import threading
import zipfile
from pathlib import Path

from tools.errors import ToolError
from tools.image import firmware
from tools.programs import cache
from tools.testbed.testbed import BOARD

COMMIT = "6075da2"
TODAY, EARLIER = "today", "earlier"
_GIT_LIMIT_S = 60


def sources(release: str) -> Path:
    """The folder of its device/, boot.py and main.py. Raises ToolError where the history is not there."""
    return cache.REPO if release == TODAY else cache.folder(f"release-{COMMIT}", _fill)


def _fill(folder: Path) -> None:
    wanted = (firmware.PACKAGE, *firmware.STARTERS)
    command = ["git", "-c", "safe.directory=*", "archive", "--format=zip", COMMIT, *wanted]
    try:
        done = subprocess.run(command, cwd=cache.REPO, capture_output=True, timeout=_GIT_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"git does not run: {error}") from None
    if done.returncode:
        raise ToolError(f"this checkout has no commit {COMMIT}: clone it whole")
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder)


class Images:
    """Built once, from any thread: boards differ in what happens to them."""

    def __init__(self) -> None:
        self._built: dict[tuple, bytes] = {}
        self._lock = threading.Lock()

    def get(self, release: str, version: str, main: str | None, next_key: bytes | None) -> bytes:
        """An ESP32 image of a release. main: source of its main.py, None = the release's own."""
        key = (release, version, main, next_key)
        with self._lock:
            if key not in self._built:
                self._built[key] = _build(release, version, main, next_key)
            return self._built[key]


def _build(release: str, version: str, main: str | None, next_key: bytes | None) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        app = None
        if main is not None:
            app = Path(folder)
            (app / "main.py").write_text(main)
        return firmware.build_image(
            version, "esp32", BOARD, app=app, next_key=next_key, sources=sources(release)
        )
