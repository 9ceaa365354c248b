"""Every command with every option given what it is not meant for: one line that leads to the cure, exit code
not 0, nothing half-written, all that was there unharmed. The cases follow from the options, see badinputs.py.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from badinputs import GOOD, OPEN

from tools.commands.test import SAMPLED
from tools.programs import cache

LIMIT_S = 1200  # only ends a hang
SAMPLE = 3
ROOM_KIB = 64
OUTPUTS = ("sign --output-offer", "build --output", "bench --json", "bench --plot")
READABLE = ("text", "empty", "binary", "object", "list", "nested", "/dev/null")
# What ends well, as "command option kind"; * = any.
GOOD_ENOUGH = [
    *(f"{output} {kind}" for output in OUTPUTS for kind in (*READABLE, "missing", "not to be read")),
    *(f"{new} {kind}" for new in ("keys dir", "serve folder", "simboard folder")
      for kind in ("missing", "deep", "folder")),
    *(f"doctor --traceback {kind}" for kind in READABLE),
    "* number 99999",  # but for ports and days
    "* --board text '*", "* --prefix text '*", "serve --name text '*", "keys --server-name text '*",
    *(f"{command}  full disk" for command in ("demo", "test", "torture")),  # here they do not come so far
]  # fmt: skip
# What is seen only once a board answers.
NEEDS_A_BOARD = ["* port* *", "provision --keys *", "provision --wifi text '*",
                 "provision --server text '{port}'",
                 "provision --board *", "*  full disk"]  # fmt: skip
# Told by the name of the value it leads to.
OTHER_WORDS = {"--server": "broker", "ports": "PORT", "--wifi": "wifi", "--tag": "tag", "--untag": "tag"}


def _can(command: str) -> bool:
    try:
        return not subprocess.run(shlex.split(command), capture_output=True, timeout=60).returncode
    except OSError:
        return False


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """How each case ended. A full disk is a tmpfs, where namespaces may be made."""
    folder = tmp_path_factory.mktemp("inputs")
    of = SAMPLE if os.environ.get(SAMPLED, "full") != "full" else 1
    full = folder / "full"
    command = [sys.executable, str(Path(__file__).with_name("badinputs.py")), "begin", str(folder / "work")]
    (folder / "work").mkdir()
    full.mkdir()
    fill = f"head -c {ROOM_KIB * 1024} /dev/zero >{full}/all"
    script = f"mount -t tmpfs -o size={ROOM_KIB}k none {full} && {fill}"
    if shutil.which("unshare") and _can(f"unshare -rm sh -c {shlex.quote(script)}"):
        command = ["unshare", "-rm", "sh", "-c", f'{script}; exec "$@"', "sh", *command, str(full)]
    else:
        command.append("")
    done = subprocess.run(
        [*command, str(of), *GOOD], cwd=folder, env=os.environ | {"PYTHONPATH": str(cache.REPO)},
        capture_output=True, text=True, errors="replace", timeout=LIMIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    yield [case for case in json.loads(done.stdout) if case]
    for path in (folder / "work").rglob("secret"):
        path.chmod(0o700)  # for pytest to clear up


def _is(case: dict[str, Any], patterns: list[str]) -> bool:
    name = f"{case['command']} {case['option']} {case['kind']}"
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _complaint(case: dict[str, Any]) -> str:
    """What is wrong with how it ended; "" = nothing."""
    lines = case["err"].strip().splitlines()
    if case["trace"]:
        return case["trace"]
    if case["code"] in (0, None):
        is_port = "port" in case["option"] or "days" in case["option"]
        is_good = _is(case, GOOD_ENOUGH) and not (is_port and case["kind"].startswith("number"))
        return "" if is_good else "is taken"
    if [name for name in case["changed"] if not _is_its_own(case, name)]:
        return f"left something changed: {case['changed']}"
    if case["command"] == "test" and case["kind"] == "typo":
        return ""  # pytest's to tell
    if not lines or "error: " not in lines[-1] or not (lines[0].startswith("usage: ") or len(lines) == 1):
        return "is not told in a line"
    if OPEN in lines[-1]:
        return "" if _is(case, NEEDS_A_BOARD) else "is seen only by the board"
    return "" if _leads(case, lines[-1]) else "is told without a word of what it is"


def _is_its_own(case: dict[str, Any], name: str) -> bool:
    """A server's memory may say that it was started; the folder of new keys is made first."""
    return (case["command"], name.split("/")[0]) in (("serve", "server"), ("keys", "none"))


def _leads(case: dict[str, Any], line: str) -> bool:
    """Does the line name the option, or what was given to it? What is short stands in many lines by chance:
    it must be in quotes there."""
    option, value = case["option"], case["value"]
    if not option:
        return True  # a full disk: that it is told in a line is enough
    if value.isdigit() and f"{value}: Address already in use" in line:
        return True
    words = re.findall(r"[\w-]+", line)
    if any(name in words for name in (option, option.upper(), OTHER_WORDS.get(option, option))):
        return True
    shown = (repr(value)[1:40].strip("'"), value[:40], os.path.dirname(value))
    quoted = [repr(value), *map(repr, value.split()[:1])]  # of a command, its program
    return any(text in line for text in (*quoted, *(text for text in shown if len(text) > 2)))


@pytest.mark.skipif(sys.platform != "linux", reason="limits, capabilities and /dev/full are Linux's")
def test_every_command_with_every_bad_input(ended: list[dict[str, Any]]) -> None:
    found = [(case, _complaint(case)) for case in ended]
    bad = [f"{case['command']} {case['option']} | {case['kind']} | {why} | {case['err'][-300:]}"
           for case, why in found if why]  # fmt: skip
    assert not bad, f"{len(bad)} of {len(ended)}:\n" + "\n".join(bad)
    assert len(ended) > 300 and {case["command"] for case in ended} == set(GOOD)


def test_each_command_has_a_good_line() -> None:
    """A new command is played as soon as it has one."""
    from tools.__main__ import COMMANDS

    assert set(GOOD) == set(COMMANDS)
