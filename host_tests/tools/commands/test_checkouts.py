"""The checkout wherever it is: not to be written, in a folder with any name, under each Python found here."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.programs import cache
from tools.programs.frozen import build

DEMO = ("demo", "--runtime", "cpython")
LIMIT_S = 60
NEW_VENV_LIMIT_S = 900
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
LINUX = [f"manylinux_2_{minor}_{{}}" for minor in range(5, 35)] + ["manylinux1_{}", "manylinux2014_{}"]
PLATFORMS = {
    "linux-x86_64": [tag.format("x86_64") for tag in LINUX],
    "linux-aarch64": [tag.format("aarch64") for tag in LINUX],
    "macos-arm64": [f"macosx_{year}_0_{kind}" for year in range(11, 15) for kind in ("arm64", "universal2")],
}


def copy(target: Path) -> Path:
    """The files that git knows or would take, as they are now."""
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=cache.REPO, capture_output=True, text=True, check=True, timeout=LIMIT_S,
    )  # fmt: skip
    for name in filter(None, done.stdout.split("\0")):
        if (cache.REPO / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(cache.REPO / name, target / name)
    return target


def call(
    folder: Path, *words: str, python: str = sys.executable, env: dict[str, str] | None = None, **options
) -> subprocess.CompletedProcess:
    """Plays a command in a checkout. No traceback ever."""
    done = subprocess.run(
        [python, "-m", "tools", *words], cwd=folder, env={**os.environ, **(env or {})}, capture_output=True,
        text=True, stdin=subprocess.DEVNULL, timeout=NEW_VENV_LIMIT_S, **options,
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done


def without_privilege() -> None:
    """Root, too, may then write only what the mode bits allow. Called in the child, before it starts."""
    if os.getuid() == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise PermissionError("root may not lay down its privilege here")


@pytest.fixture(scope="module")
def readonly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy(tmp_path_factory.mktemp("readonly") / "repo")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def list_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def place(folder: Path, env: dict[str, str]) -> Path:
    """Where that checkout keeps what it fetches."""
    command = [sys.executable, "-c", "from tools.programs import cache; print(cache.PLACE)"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=True,
        timeout=LIMIT_S, preexec_fn=without_privilege,
    )  # fmt: skip
    return Path(done.stdout.strip())


@pytest.mark.parametrize("where", ["HOME", "XDG_CACHE_HOME"])
def test_a_checkout_that_is_not_to_be_written(where: str, readonly: Path, tmp_path: Path):
    """What it fetches goes into the user's cache; here it finds there what the tests have fetched."""
    env = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": "", where: str(tmp_path / "ä b")}
    target = place(readonly, env)
    assert tmp_path / "ä b" in target.parents
    target.mkdir(parents=True)
    (target / ".cache").symlink_to(cache.CACHE)
    before = list_of(readonly)
    for words in (DEMO, ("keys", str(tmp_path / "keys")), ("devices", str(tmp_path / "none"))):
        done = call(readonly, *words, env=env, preexec_fn=without_privilege)
        assert done.returncode == (words[0] == "devices"), done.stderr
    assert list_of(readonly) == before


@pytest.mark.parametrize("words", [(), ("--help",), ("--version",), ("demo", "--help"), DEMO], ids=" ".join)
def test_no_place_to_write_at_all(words: tuple[str, ...], readonly: Path):
    env = {"HOME": str(readonly), "XDG_CACHE_HOME": "", "UMQTT_SIMPLE": ""}
    done = call(readonly, *words, env=env, preexec_fn=without_privilege)
    assert done.returncode == (words == DEMO), done.stderr
    if words == DEMO:
        assert "set XDG_CACHE_HOME" in done.stderr.splitlines()[-1], done.stderr


@pytest.mark.parametrize("mark", cache.UNFIT, ids=["colon", "newline", "quote"])
def test_a_name_that_lists_of_folders_cannot_hold(mark: str, tmp_path: Path):
    folder = copy(tmp_path / f"a{mark}b")
    assert call(folder, "demo", "--help").returncode == 0
    done = call(folder, *DEMO)
    assert done.returncode == 1
    assert "in its name" in done.stderr and done.stderr.endswith(": move it\n")


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_a_name_with_spaces_and_umlauts(runtime: str, tmp_path: Path):
    folder = copy(tmp_path / "x/ö 'ü'; $y & #z")
    (folder / ".cache").symlink_to(cache.CACHE)
    (folder / "tmp dir").mkdir()
    done = call(folder, "demo", "--runtime", runtime, env={"TMPDIR": str(folder / "tmp dir")})
    assert done.returncode == 0, done.stderr + done.stdout


def test_make_is_given_no_name_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[str] = []
    monkeypatch.setattr(cache, "PLACE", tmp_path / "a b")
    monkeypatch.setattr(build, "_make_command", lambda tree, _: ["make", "-C", tree, f"CC=python {tree}/cc"])
    monkeypatch.setattr(build, "_run", lambda failure, limit_s, command: seen.extend(command))
    build._make(cache.PLACE / ".cache" / "tree", "build")
    assert [word.count(" ") for word in seen] == [0, 0, 0, 1]
    assert seen[2].endswith("/.cache/tree")


@functools.cache
def _runs(python: Path) -> bool:
    """A version manager's stand-in may start nothing."""
    return subprocess.run([python, "-c", ""], capture_output=True, timeout=LIMIT_S).returncode == 0


def _pythons() -> dict[str, str]:
    """{release: path} of all that are found here and new enough."""
    folders = [*map(str, Path.home().glob(".pyenv/versions/*/bin")), *os.get_exec_path()]
    found: dict[str, str] = {}
    for folder in folders:
        for path in Path(folder).glob("python3.*"):
            if re.fullmatch(r"python3\.1\d", path.name) and _runs(path):
                found.setdefault(path.name.removeprefix("python"), str(path))
    return found or {"this": sys.executable}


@pytest.mark.sample(12)
@pytest.mark.parametrize("release", sorted(_pythons()))
def test_each_python_makes_its_own_environment(release: str, tmp_path: Path):
    """From nothing: about 20 s and 310 MB each, and the network."""
    folder = copy(tmp_path / "repo")
    (folder / ".cache").symlink_to(cache.CACHE)
    done = call(folder, *DEMO, python=_pythons()[release])
    assert done.returncode == 0, done.stderr
    shutil.rmtree(folder / ".venv")


@pytest.mark.sample(15)
@pytest.mark.parametrize("release", ["3.10.12", "3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_requirements_are_wheels(platform: str, release: str, tmp_path: Path):
    """pip finds a wheel of each package for a Python and a machine that need not be here."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--target", str(tmp_path),
               "--only-binary=:all:", "--python-version", release, "-r", "requirements-dev.txt"]  # fmt: skip
    command += [word for tag in PLATFORMS[platform] for word in ("--platform", tag)]
    done = subprocess.run(command, cwd=cache.REPO, capture_output=True, text=True, timeout=NEW_VENV_LIMIT_S)
    assert done.returncode == 0, done.stderr[-2000:]
