"""Runs the linter, all tests, the torture and all attacks, and ends with a line that names what they ran on.
What takes long plays a part that the commit chooses; --full plays all of it, --quick the core.
Arguments it does not know go to pytest, which then runs alone."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple, TextIO
from xml.etree import ElementTree

from tools.errors import ToolError
from tools.programs import cache, chromium, runtimes
from tools.testbed import sampling, traits

PASSES_ARGUMENTS_ON = True
MISSING = "OTA_TEST_MISSING"  # for host_tests/conftest.py: interpreters that cannot be had here
SAMPLED = "OTA_TEST_SAMPLED"  # for it: the tier; of tests with its marks the commit chooses some
SAMPLES = {"quick": ("sample", "quick_sample"), "middle": ("sample",)}
NO_TEST = 5  # pytest's exit code where nothing was selected
WORKERS_A_CORE = 3  # most tests wait most of the time
MAX_WORKERS = 16  # each has servers and boards of its own
LIMIT_S = 4 * 3600  # only to end a hang
QUICK = (
    "host_tests/test_static.py", "host_tests/test_types.py", "host_tests/test_portable.py",
    "host_tests/portable",
    "host_tests/e2e/test_update.py::test_push[https-mp32]",
    "-k", "not (ecdsa_points and (forky or mp64 or wasm))",  # the slowest: on one MicroPython and CPython
)  # fmt: skip


class Part(NamedTuple):
    """One of the programs that a run consists of, started as `python -m <command>`."""

    name: str
    command: list[str]


# What is wrong with a test the tests themselves tell.
COMPILATION = Part("compilation", ["pytest", "--collect-only", "-p", "no:terminal"])


class Outcome(NamedTuple):
    """What pytest's report says; failed_parts: names."""

    passed: int
    skipped: int
    failed_parts: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = f"{parser.prog} [-h] [--quick | --full] [pytest arguments]"
    parser.epilog = (
        "With arguments for pytest nothing else runs, and nothing is left out; one test or -k runs in one"
        " process, the rest three tests a core at a time unless -n says otherwise: most of them wait."
    )
    tier = parser.add_mutually_exclusive_group()
    tier.add_argument(
        "--quick", action="store_true",
        help="linter, types, the portable tests on every interpreter, one whole update: one to two minutes",
    )  # fmt: skip
    tier.add_argument("--full", action="store_true", help="everything that there is: some hours")


def run(args: argparse.Namespace) -> int:
    if args.rest:
        return run_selection(args.rest)
    started = time.monotonic()
    found, missing = find_programs(quick=args.quick)
    environment = {MISSING: " ".join(missing), SAMPLED: tier(args)}
    environment[sampling.FULL] = "1" if args.full else "0"
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        beside = Beside(side_parts(args), environment, Path(folder) / "beside.log")
        call(COMPILATION, environment)
        failed = [part.name for part in main_parts(args, report) if not call(part, environment)]
        outcome = Outcome(*count(report), failed + beside.wait())
    required = [name for name in missing if name not in runtimes.OPTIONAL]
    strict = bool(os.environ.get("CI"))
    for line in summary(found, missing, outcome, strict, args):
        print(line)
    print(f"{(time.monotonic() - started) / 60:.1f} minutes")
    return int(bool(failed or required or (outcome.skipped and strict)))


def tier(args: argparse.Namespace) -> str:
    return "quick" if args.quick else "full" if args.full else "middle"


def run_selection(arguments: list[str]) -> int:
    single = any("::" in text or text == "-k" or text.startswith("-k") for text in arguments)
    command = ["pytest", "-q", *([] if single else workers(arguments)), *arguments]
    code = subprocess.run([sys.executable, "-m", *command], cwd=cache.REPO, timeout=LIMIT_S).returncode
    if code == NO_TEST:
        raise ToolError("no test matches: `python3 -m tools test --collect-only -q` lists them")
    return code


def main_parts(args: argparse.Namespace, report: Path) -> list[Part]:
    tests = ["pytest", "-q", f"--junitxml={report}", *workers([]), *(QUICK if args.quick else ())]
    return [Part("lint", ["ruff", "check", "."]), Part("tests", tests)]


def side_parts(args: argparse.Namespace) -> list[Part]:
    """What fills the processor while the tests wait."""
    if args.quick:
        return []
    torture = ["tools", "torture"]
    full = ["--full"] if args.full else []
    found = [Part("torture", [*torture, *full]), Part("attacks", [*torture, "--attacks", *full])]
    return found + ([Part("mutants", [*torture, "--mutants"])] if args.full else [])


def workers(arguments: list[str]) -> list[str]:
    if any(text.startswith(("-n", "--numprocesses", "--pdb")) for text in arguments):
        return []
    count = min(WORKERS_A_CORE * (os.cpu_count() or 1), MAX_WORKERS)
    return ["-n", str(count), "--dist", "worksteal"]


class Beside:
    """Parts that run one after the other while something else does; what they say is shown in the end."""

    def __init__(self, parts: list[Part], environment: dict[str, str], log: Path) -> None:
        self._log = log.open("w+")
        self._failed: list[str] = []
        self._thread = threading.Thread(target=self._run, args=(parts, environment), daemon=True)
        self._thread.start()

    def _run(self, parts: list[Part], environment: dict[str, str]) -> None:
        for part in parts:
            if not call(part, environment, self._log):
                self._failed.append(part.name)

    def wait(self) -> list[str]:
        """The names of those that failed."""
        with open(self._log.name) as shown:
            while self._thread.is_alive():
                print(shown.read(), end="", flush=True)
                self._thread.join(1)
            print(shown.read(), end="", flush=True)
        return self._failed


def call(part: Part, environment: dict[str, str], log: TextIO | None = None) -> bool:
    print(f"== {part.name}", file=log, flush=True)
    command = [sys.executable, "-m", *part.command]
    try:  # in a session of its own: Ctrl-C is for this process, which then ends all others
        done = subprocess.run(
            command, cwd=cache.REPO, env=os.environ | environment, timeout=LIMIT_S, start_new_session=True,
            stdout=log, stderr=subprocess.STDOUT if log else None,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ToolError(f"{part.name} took over {LIMIT_S} s and was stopped") from None
    return done.returncode == 0


def find_programs(quick: bool) -> tuple[list[str], dict[str, str]]:
    """Fetches all before any test starts, so tests neither wait nor race for them: (what the interpreters
    call themselves, why others cannot be had)."""
    others = {} if quick else {"chromium": chromium.argv}
    searches = {"mosquitto": runtimes.mosquitto, "umqtt": runtimes.umqtt, **others}
    found, missing = [], {}
    for name in (*runtimes.INTERPRETERS, *searches):
        try:
            if name in searches:
                searches[name]()
            else:
                found.append(runtimes.version(name))
        except ToolError as error:
            missing[name] = str(error)
    return found, missing


def count(report: Path) -> tuple[int, int]:
    """(tests that passed, tests that did not run); a failure that a test expects (xfail) is none of these."""
    if not report.exists():
        return 0, 0
    cases = list(ElementTree.parse(report).iter("testcase"))
    skipped = [entry for case in cases for entry in case.iter("skipped")]
    passed = sum(not any(part.tag in ("failure", "error", "skipped") for part in case) for case in cases)
    return passed, sum(entry.get("type") != "pytest.xfail" for entry in skipped)


def summary(
    found: list[str], missing: dict[str, str], outcome: Outcome, strict: bool, args: argparse.Namespace
) -> list[str]:
    lines = []
    for name, why in missing.items():
        failing = "" if name in runtimes.OPTIONAL else ", which counts as failed"
        lines.append(f"not to be had here{failing}: {name}: {why}")
    for name in (name for name in runtimes.WORD_BITS if name not in missing):
        lines.append(f"{runtimes.version(name)}: {traits.summary(name)}")
    names = [part.name for part in (*main_parts(args, Path()), *side_parts(args))]
    words = [f"{name} {'FAILED' if name in outcome.failed_parts else 'passed'}" for name in names]
    words.insert(2, f"{outcome.passed:,} tests, {outcome.skipped} skipped")
    if outcome.skipped and strict:
        words.append("a skipped test fails in CI")
    return [*lines, f"on {', '.join(found)}: {'; '.join(words)}"]
