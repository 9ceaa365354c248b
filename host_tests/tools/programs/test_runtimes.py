"""The MicroPythons of the tests: what a variable names is taken, or refused in one line; builds are asked."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.programs import cache, runtimes, webassembly, wheels
from tools.testbed import traits

LIMIT_S = 300
VERSION = """
import sys
from tools.programs import runtimes
try:
    print(runtimes.version(sys.argv[1]))
except Exception as error:
    sys.exit(str(error))
"""


def ask(name: str, **variables: str) -> subprocess.CompletedProcess:
    """runtimes.version(name) in a process of its own, because what is found is kept."""
    return subprocess.run(
        [sys.executable, "-c", VERSION, name], cwd=cache.REPO, env=os.environ | variables,
        capture_output=True, text=True, timeout=LIMIT_S,
    )  # fmt: skip


def program(folder: Path, answer: str) -> str:
    """Something that calls itself a MicroPython."""
    path = folder / "micropython"
    path.write_text(f"#!/bin/sh\necho {answer}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("name", "answer", "why"),
    [
        ("mp64", "True True 1.23.0", "is 1.23.0, older than 1.24"),
        ("mp64", "False True 1.29.0", "is a 32-bit build"),
        ("mp32", "True True 1.29.0", "is a 64-bit build"),
        ("mp64", "True False 1.29.0", "has no ffi"),
        ("mp64", "nonsense", "does not run"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(name, answer, why, tmp_path):
    told = ask(name, **{runtimes.VARIABLES[name]: program(tmp_path, answer)})
    assert told.returncode == 1 and why in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("given", ["/no/such/program", "true", "cat /dev/null"])
def test_what_is_no_micropython_is_refused_in_one_line(given):
    told = ask("mp64", MICROPYTHON=given)
    assert told.returncode == 1 and "does not run" in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("answer", ["1.24.0", "1.25.0", "1.29.0", "1.30.0.preview", "2.0.0"])
def test_each_release_from_1_24_on_is_taken(answer, tmp_path):
    told = ask("mp64", MICROPYTHON=program(tmp_path, f"True True {answer}"))
    assert told.stdout.strip() == f"mp64 {answer}", told.stderr


def test_the_wheel_by_its_own_name(tmp_path):
    """As `python -m micropython_unix`; it has no ffi, so it is started by our own means."""
    folder = wheels.folder(runtimes.WHEEL)
    told = ask("mp64", MICROPYTHON=f"{sys.executable} -m {runtimes.MODULE}", PYTHONPATH=str(folder))
    assert told.stdout.startswith("mp64 1."), told.stderr


@pytest.mark.parametrize("name", ["mp32", "mp64"])
def test_the_main_ones_can_be_had(name):
    bits = runtimes._probe(runtimes._interpreter(name)).bits
    assert bits == runtimes.WORD_BITS[name]


@pytest.mark.parametrize("name", runtimes.WORD_BITS)
@pytest.mark.parametrize(
    ("code", "status"), [("import sys; sys.exit(7)", 7), ("1/0", 1), ("print(1)", 0), ("raise SystemExit", 0)]
)
def test_the_exit_code_is_the_programs(name, code, status):
    command = [*runtimes.interpreter(name), "-c", code]
    assert subprocess.run(command, capture_output=True, timeout=LIMIT_S).returncode == status


@pytest.mark.parametrize("release", webassembly.RELEASES)
def test_webassembly_is_started_as_the_others(release, tmp_path):
    (tmp_path / "inside.py").write_text("value = 42\n")
    script = tmp_path / "script.py"
    program = "import sys, inside\nprint(inside.value, sys.argv[1], sys.implementation[1][:2])\nsys.exit(7)\n"
    script.write_text(program)
    command = [*webassembly.argv(release), "-X", "heapsize=192K", str(script), "word"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    major, minor, _ = release.split(".")
    assert (done.stdout, done.returncode) == (f"42 word ({major}, {minor})\n", 7), shlex.join(command)


def test_an_archive_that_was_changed_is_refused(tmp_path):
    archive = tmp_path / "package.tgz"
    archive.write_bytes(b"something else")
    with pytest.raises(ToolError, match="SHA-256 differs"):
        webassembly._unpack(archive, webassembly.RELEASES["1.29.0"][1], tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("name", runtimes.WORD_BITS)
def test_what_depends_on_the_build_is_asked_of_it(name):
    """32-bit Linux before 1.26 counts seconds in 31 bits; upstream's mbedtls knows no TLS 1.3."""
    assert traits.last_year(name) in (2037, 9999)
    if runtimes.WORD_BITS[name] == 64:
        assert traits.last_year(name) == 9999
    assert traits.summary(name).endswith(("TLS 1.2 only", "TLS 1.2 and 1.3"))
