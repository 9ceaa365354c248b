"""Any command on any machine: what the terminal can show, where output goes, and what cannot be written."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import resource
import runpy
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tools.__main__ import COMMANDS
from tools.cli import console
from tools.keys import pki
from tools.programs import cache

LIMIT_S = 300
MAC = "286DCE32AF70"
DEMO = ("demo", "--runtime", "cpython")
BOARD = ("simboard", "--repl", "--seconds", "1")
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LOCALES = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "LANG=C": {"LANG": "C"},
    "C, and Python without its own help": C_LOCALE,
    "latin-1": {**C_LOCALE, "PYTHONIOENCODING": "latin-1"},
}


def call(*words: str, env: dict[str, str] | None = None, **options) -> subprocess.CompletedProcess:
    """Plays a command. No traceback ever, and where it fails the last line says why."""
    own = ("LC_", "LANG", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **options}
    done = subprocess.run(
        [sys.executable, "-m", "tools", *words], cwd=cache.REPO, env={**kept, **(env or {})},
        timeout=LIMIT_S, **options,
    )  # fmt: skip
    done.stdout, done.stderr = ((text or b"").decode(errors="replace") for text in (done.stdout, done.stderr))
    assert "Traceback" not in done.stderr + done.stdout, done.stderr + done.stdout
    if done.returncode == 1 and done.stderr:
        assert done.stderr.splitlines()[-1].startswith("error: "), done.stderr
    return done


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_packages(command: str):
    """-S: Python's own library alone."""
    alone = subprocess.run(
        [sys.executable, "-S", "-m", "tools", command, "--help"], cwd=cache.REPO, capture_output=True,
        text=True, timeout=LIMIT_S,
    )  # fmt: skip
    assert (alone.returncode, alone.stderr) == (0, "")
    assert alone.stdout == call(command, "--help").stdout


def test_version():
    package = json.loads((cache.REPO / "device" / "package.json").read_text())
    assert re.match(re.escape(package["version"]) + r" .*\(Python 3\.\d+\.\d+", call("--version").stdout)


def test_an_old_python_is_told_so(monkeypatch: pytest.MonkeyPatch):
    source = cache.REPO / "tools" / "__init__.py"
    ast.parse(source.read_text(), feature_version=(3, 4))
    monkeypatch.setattr(sys, "version_info", (3, 6, 15, "final", 0))
    with pytest.raises(SystemExit, match=r"^error: Python 3.10 or newer is needed, this is 3.6: "):
        runpy.run_path(str(source))


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.sample(6)
@pytest.mark.parametrize("words", [("--help",), ("keys", "{}"), ("devices", "{}"), DEMO, BOARD], ids=" ".join)
def test_any_encoding(words: tuple[str, ...], locale: str, tmp_path: Path):
    """Names with spaces and umlauts too, of which the locale has none."""
    folder = tmp_path / "ö ü"
    folder.mkdir()
    words = tuple(word.format(folder / "ä") for word in words)
    done = call(*words, *(["--port", free_port()] if words == BOARD else []),
                env={**LOCALES[locale], "TMPDIR": str(folder)})  # fmt: skip
    assert done.returncode == (words[0] == "devices"), done.stderr
    if words[0] == "keys":
        assert (folder / "ä" / "sign.key.pem").exists()
        assert ("\\xe4" in done.stdout) == (locale in ("ascii", "C, and Python without its own help"))


COMMON = [("--help",), ("keys", "--help"), ("keys", "{}"), DEMO, BOARD]  # of the kinds that there are


@pytest.mark.sample(7)
@pytest.mark.parametrize("words", [*COMMON, ("doctor", "--traceback", "-")], ids=" ".join)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_stream_that_is_closed(words: tuple[str, ...], number: int, tmp_path: Path):
    words = tuple(word.format(tmp_path / "keys") for word in words)
    port = ["--port", free_port()] if words == BOARD else []
    streams = {("stdin", "stdout", "stderr")[number]: None}
    assert call(*words, *port, preexec_fn=lambda: os.close(number), **streams).returncode == 0


@pytest.mark.parametrize("words", COMMON, ids=" ".join)
def test_a_disk_that_is_full_where_the_output_goes(words: tuple[str, ...], tmp_path: Path):
    words = tuple(word.format(tmp_path / "keys") for word in words)
    port = ["--port", free_port()] if words == BOARD else []
    with open("/dev/full", "wb") as full:
        done = call(*words, *port, stdout=full)
    assert done.returncode == 1
    assert done.stderr == "error: standard output: No space left on device\n"


@pytest.mark.parametrize("words", [*COMMON[2:], BOARD[:-2]], ids=" ".join)
def test_a_reader_that_has_read_enough(words: tuple[str, ...], tmp_path: Path):
    """As `| head -1`: it ends at once, quietly, also where the line is written by a thread."""
    words = tuple(word.format(tmp_path / "keys") for word in words)
    port = ["--port", free_port()] if words[0] == "simboard" else []
    process = subprocess.Popen(
        [sys.executable, "-m", "tools", *words, *port], cwd=cache.REPO, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout and process.stderr
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(LIMIT_S) in (0, 1, 141)  # 0: all was in the pipe already
    finally:
        process.kill()
        process.wait(LIMIT_S)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What commands read: keys, an image, a configuration."""
    folder = tmp_path_factory.mktemp("given")
    pki.make_all(folder / "keys", [MAC])
    (folder / "ota.json").write_text(json.dumps({
        "wifi": [["home", "correct horse"]], "broker": "mqtts://localhost:8883", "board": "sim",
        "image": "esp32",
    }))  # fmt: skip
    (folder / "raw.bin").write_bytes(bytes(5000))
    return folder


WRITERS = {
    "keys": ("keys", "{new}/k", "--device", MAC),
    "build": ("build", "--version", "1.0.1", "--kind", "esp32", "--board", "lamp", "--output", "{new}/x.img"),
    "romfs": ("build", "--romfs", "--output", "{new}/x.romfs"),
    "sign": ("sign", "{given}/raw.bin", "--key", "{given}/keys/sign.key.pem", "--version", "1.0.1",
             "--kind", "raw", "--board", "lamp", "--output", "{new}/x.img",
             "--output-offer", "{new}/offer.json"),
    "simboard": ("simboard", "{new}/b", "--config", "{given}/ota.json",
              "--certs", f"{{given}}/keys/devices/{MAC}", "--runtime", "cpython", "--seconds", "1"),
    "unprovisioned board": ("simboard", "{new}/b", "--repl", "--seconds", "1"),
    "demo": DEMO,
}  # fmt: skip


def _words(name: str, given: Path, new: Path) -> list[str]:
    words = [word.format(given=given, new=new) for word in WRITERS[name]]
    return [*words, *(["--port", free_port()] if name == "unprovisioned board" else [])]


@pytest.mark.sample(6)
@pytest.mark.parametrize("max_bytes", [0, 100, 500, 2500, 100_000])
@pytest.mark.parametrize("name", WRITERS)
def test_files_that_cannot_be_written_whole(name: str, max_bytes: int, given: Path, tmp_path: Path):
    """The kernel lets no file grow beyond so many bytes; after that the same command succeeds."""
    words = _words(name, given, tmp_path)
    environment = {"TMPDIR": str(tmp_path / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
    (tmp_path / "tmp").mkdir()
    limit = (max_bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    done = call(*words, env=environment, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert done.returncode in (0, 1)
    assert list((tmp_path / "tmp").iterdir()) == []
    if done.returncode == 1:
        left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
        assert not {"x.img", "x.romfs", "offer.json", "board.json", "flash.bin"}.intersection(left)
    else:
        shutil.rmtree(tmp_path)
        (tmp_path / "tmp").mkdir(parents=True)
    assert call(*_words(name, given, tmp_path), env=environment).returncode == 0


@pytest.mark.sample(7)
@pytest.mark.parametrize("name", [name for name in WRITERS if name != "demo"])
@pytest.mark.parametrize("place", ["/proc", "{file}", "{file}/below", "/dev/full"])
def test_a_place_where_nothing_can_be_written(name: str, place: str, given: Path):
    new = Path(place.format(file=given / "raw.bin"))
    done = call(*_words(name, given, new))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and str(new) in done.stderr, done.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO, errno.ENOENT])
@pytest.mark.parametrize("name", [None, "some/file"])
def test_an_error_of_the_system_in_one_line(number: int, name: str | None):
    text = console.explain(OSError(number, os.strerror(number), name))
    assert os.strerror(number) in text and "\n" not in text
    assert name is None or name in text


def test_room_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(cache.ToolError, match=r"^the moon needs 99999999999 MB in .*, where \d+ MB are free"):
        cache.require_room(99999999999, "the moon", tmp_path)
