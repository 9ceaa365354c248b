"""Which part of what takes long a run plays: the commit chooses, so that a few commits together play all."""

from __future__ import annotations

import functools
import os
import subprocess

from tools.programs import cache

FULL = "OTA_TEST_FULL"  # set to 1, all is chosen
GIT_LIMIT_S = 30


@functools.cache
def rotation() -> int:
    """How many commits there are; 0 without git's history."""
    command = ["git", "-c", "safe.directory=*", "rev-list", "--count", "HEAD"]
    try:
        done = subprocess.run(command, cwd=cache.REPO, capture_output=True, text=True, timeout=GIT_LIMIT_S)
        return int(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0


def chosen(index: int, of: int) -> bool:
    """Does this commit play entry `index`? It plays one in `of`, and so many commits in a row play each."""
    return os.environ.get(FULL) == "1" or index % of == rotation() % of
