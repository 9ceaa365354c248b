"""What MicroPython's build takes for its C compiler: zig's, for 32-bit x86 and musl, linked statically.

usage: zigcc.py FOLDER_OF_ZIGLANG [arguments of cc]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = "x86-linux-musl"
LIMIT_S = 300


def compile_with(zig: str, arguments: list[str]) -> int:
    """zig keeps what it compiles of the C library, here beside itself and not in the user's home."""
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(Path(zig).parent.parent / "compiled")}
    command = [zig, "cc", "-target", TARGET, *arguments]
    return subprocess.run(command, env=environment, timeout=LIMIT_S).returncode


def preprocess(zig: str, arguments: list[str]) -> int:
    """zig takes one file at a time, and none from standard input."""
    with tempfile.NamedTemporaryFile(suffix=".c") as given:
        if arguments[-1] == "-":
            given.write(sys.stdin.buffer.read())
            given.flush()
            arguments = [*arguments[:-1], given.name]
        sources = [word for word in arguments if word.endswith(".c")]
        others = [word for word in arguments if not word.endswith(".c")]
        return int(any([compile_with(zig, [*others, source]) for source in sources]))


def main(folder: str, *arguments: str) -> int:
    zig = str(Path(folder) / "ziglang" / "zig")
    if "-E" in arguments:
        return preprocess(zig, list(arguments))
    return compile_with(zig, list(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
