"""Which part of the folder's work this process has: a lock each, which the kernel frees however it ends.

FOLDER/broker.lock       who has started the broker
FOLDER/ota-server-1.lock who answers by this identity
FOLDER/leader.lock       who takes reports and makes offers
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import IO

from tools.errors import ToolError

LONGEST = 100  # bytes: a process id and a port
MORE_SERVERS = "`python3 -m tools keys DIR --servers N` makes identities for more servers"


class Claim:
    """One lock, taken or not. The file says by whom."""

    def __init__(self, path: Path) -> None:
        """Raises OSError that names the file."""
        self._file: IO[bytes] = path.open("a+b", buffering=0)

    def take(self, text: str) -> bool:
        """text: what others read in it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.write(text)
        return True

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the lock holds on a full disk, too
            os.ftruncate(self._file.fileno(), 0)
            os.pwrite(self._file.fileno(), text.encode(), 0)

    def text(self) -> str:
        return os.pread(self._file.fileno(), LONGEST, 0).decode(errors="replace").strip()

    def close(self) -> None:
        self._file.close()


def claim_broker(folder: Path, pid: int) -> Claim:
    """Raises ToolError where another server has started one already."""
    claim = Claim(folder / "broker.lock")
    if not claim.take(str(pid)):
        other, _, port = claim.text().partition(" ")
        claim.close()
        raise ToolError(
            f"a server runs in {folder} (pid {other}): end it first, or help it with --broker"
            f" mqtts://localhost:{port or 'PORT'} and another --https-port and --http-port"
        )
    return claim


def claim_identity(folder: Path, names: list[str], pid: int) -> tuple[str, Claim]:
    """The first that nobody has. Raises ToolError where there is none."""
    for name in names:
        claim = Claim(folder / f"{name}.lock")
        if claim.take(str(pid)):
            return name, claim
        claim.close()
    raise ToolError(f"{len(names)} servers run in {folder} already: {MORE_SERVERS}")
