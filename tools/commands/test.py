"""Runs the linter, all tests, the torture's default cases and all attacks; arguments it does not know go to
pytest, which then runs alone."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from tools import cache, chromium, runtimes
from tools.errors import ToolError

PASSES_ARGUMENTS_ON = True
INTERPRETERS = ("mp32", "mp64", "cpython")
RUFF_LIMIT_S = 120
PYTEST_LIMIT_S = 3600
TORTURE_LIMIT_S = 1200
MOST_WORKERS = 16  # each has servers and boards of its own


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = f"{parser.prog} [-h] [pytest arguments]"
    parser.epilog = "Runs two tests a core at a time unless -n says otherwise: most of them wait."


def run(args: argparse.Namespace) -> int:
    versions, missing = find_programs()
    lint = call(["ruff", "check", "."], RUFF_LIMIT_S)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        tests = call(["pytest", f"--junitxml={report}", *parallel(args.rest)], PYTEST_LIMIT_S)
        skipped = count_skipped(report)
    torture = 0 if args.rest else call(["tools", "torture"], TORTURE_LIMIT_S)
    attacks = 0 if args.rest else call(["tools", "torture", "--attacks"], TORTURE_LIMIT_S)
    strict = bool(os.environ.get("CI"))
    print(summary(versions, missing, lint, tests, skipped, strict) + tortured(args.rest, torture, attacks))
    return int(bool(lint or tests or torture or attacks or missing or (skipped and strict)))


def tortured(rest: list[str], torture: int, attacks: int) -> str:
    if rest:
        return ""
    return f"; torture {'FAILED' if torture else 'survived'}; attacks {'FAILED' if attacks else 'repelled'}"


def find_programs() -> tuple[list[str], list[str]]:
    """Fetches all before any test starts, so tests neither wait nor race for them."""
    searches = {name: partial(runtimes.version, name) for name in INTERPRETERS}
    searches.update({"mosquitto": runtimes.mosquitto, "umqtt": runtimes.umqtt, "chromium": chromium.argv})
    found, missing = {}, []
    for name, search in searches.items():
        try:
            found[name] = search()
        except ToolError as error:
            print(f"error: {error}", file=sys.stderr)
            missing.append(name)
    return [found[name] for name in INTERPRETERS if name in found], missing


def parallel(arguments: list[str]) -> list[str]:
    chosen = any(text.startswith(("-n", "--numprocesses", "--pdb")) for text in arguments)
    return arguments if chosen else ["-n", str(min(2 * (os.cpu_count() or 1), MOST_WORKERS)), *arguments]


def call(module: list[str], limit_s: int) -> int:
    sys.stdout.flush()
    try:
        command = [sys.executable, "-m", *module]
        return subprocess.run(command, cwd=cache.REPO, timeout=limit_s).returncode
    except subprocess.TimeoutExpired:
        raise ToolError(f"{module[0]} took over {limit_s} s and was stopped") from None


def count_skipped(report: Path) -> int:
    """Tests that did not run; a failure that a test expects (xfail) is not one of them."""
    if not report.exists():
        return 0
    found = ElementTree.parse(report).iter("skipped")
    return sum(entry.get("type") != "pytest.xfail" for entry in found)


def summary(
    versions: list[str], missing: list[str], lint: int, tests: int, skipped: int, strict: bool
) -> str:
    words = [f"lint {'failed' if lint else 'clean'}", f"tests {'failed' if tests else 'passed'}"]
    if missing:
        words.append(f"NOT RUN for want of {', '.join(missing)}, which counts as failed")
    if skipped:
        words.append(f"{skipped} skipped{', which fails in CI' if strict else ''}")
    return f"on {', '.join(versions)}: {'; '.join(words)}"
