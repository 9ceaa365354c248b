"""Cut power, links and flash at every moment of an update, and count what did not survive.

Each class of faults runs the whole client: download, verify, commit, first boot, confirm, report. Most cases
play in one process of 32-bit MicroPython (real device code, real LittleFS, small flash, virtual time); the
last two lines are real boards: processes killed, real broker, real TLS. The commit chooses the sample; --full
is exhaustive. --attacks plays the other list: somebody who owns the network, the broker's account and
yesterday's signed images.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from tools.cli import options, screen
from tools.errors import ToolError
from tools.torture import classes, earlier, fixture, mutants, newapplication, pool, real, trace
from tools.torture.attacks import forge, play, table
from tools.torture.attacks.table import ATTACKS
from tools.torture.report import WIDTH, Report

BIG = "big"
REAL = {played.NAME: played for played in (newapplication, earlier, real)}  # classes on real boards


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = [*classes.CLASSES, BIG, *REAL, *ATTACKS]
    parser.add_argument("--full", action="store_true", help="every case, not a sample (an hour and more)")
    parser.add_argument("--attacks", action="store_true", help="attacks instead of faults")
    parser.add_argument(
        "--only", action="append", choices=names, metavar="CLASS",
        help=f"only this class; may be repeated: {', '.join(names)}",
    )  # fmt: skip
    parser.add_argument("--case", metavar="ID", help="play one case alone and show what the board says")
    parser.add_argument(
        "--mutants", action="store_true", help="switch off one safeguard at a time: each must be noticed"
    )
    parser.add_argument(
        "--jobs", type=options.whole(1, 64), default=2, metavar="N", help="at a time (default: 2)"
    )


def run(args: argparse.Namespace) -> int:
    _refuse_together(args)
    with tempfile.TemporaryDirectory(prefix="ota-torture-") as folder:
        fixtures = Path(folder)
        fixture.make(fixtures)
        if args.case is not None:
            return _play_one(args.case, fixtures)
        if args.attacks:
            return play.play(
                _attack_classes(args.only), fixtures, args.full, args.jobs, screen.wide(play.WIDTH)
            )
        traces = pool.traces(fixtures)
        if args.mutants:
            return mutants.run(traces, forge.grounds(fixtures), fixtures, args.jobs)
        return _play_all(args, traces, fixtures)


def _refuse_together(args: argparse.Namespace) -> None:
    if args.case is not None:
        alone = ("--full", "--attacks", "--only", "--mutants", "--jobs")
        options.refuse(args, alone, "not with --case, which plays one case alone")
        _check_case(args.case)
    if args.mutants:
        options.refuse(args, ["--full", "--attacks", "--only"], "not with --mutants, which has its own list")
    if args.attacks:
        _attack_classes(args.only)
    elif set(args.only or ()) & set(ATTACKS):
        raise ToolError("classes of attacks go with --attacks")


def _check_case(identity: str) -> None:
    """Raises ToolError unless there can be such a case."""
    name, mode = [*identity.split("/"), ""][:2]
    is_one = name in (*classes.CLASSES, BIG, *ATTACKS) and mode in (*fixture.KINDS, BIG)
    if not is_one and name not in REAL:
        raise ToolError(f"no case {identity!r}: a case is CLASS/MODE/…, as a failing one prints it")


def _attack_classes(only: list[str] | None) -> list[str]:
    """Raises ToolError for a class of faults."""
    wrong = set(only or ()) - set(ATTACKS)
    if wrong:
        raise ToolError(f"no class of attacks: {', '.join(sorted(wrong))}; choose from {', '.join(ATTACKS)}")
    return only or list(ATTACKS)


def _play_all(args: argparse.Namespace, traces: dict[str, trace.Trace], fixtures: Path) -> int:
    console = screen.wide(WIDTH)
    chosen = args.only or [*classes.CLASSES, *([BIG] if args.full else []), *REAL]
    titles = {name: entry.title for name, entry in classes.CLASSES.items()}
    titles |= {BIG: "full-size image, power cut at each operation"}
    titles |= {name: played.TITLE for name, played in REAL.items()}
    with Report(console, {name: titles[name] for name in titles if name in chosen}) as report:
        for name in chosen:
            for result in _results(name, args, traces, fixtures):
                report.add(name, result)
            report.finish(name)
    failed = len(report.failures)
    count = sum(line.cases for line in report.lines.values())
    console.print(f"{count:,} cases, {failed} failed" if failed else f"{count:,} cases, all survived")
    return int(bool(failed))


def _results(name, args, traces, fixtures):
    if name in REAL:
        yield from REAL[name].results(fixtures, args.full, args.jobs)
        return
    if name == BIG:
        fixture.make_big(fixtures)
        requests = classes.big_requests(pool.traces(fixtures, (BIG,), pool.HEAP["big"])[BIG])
        yield from pool.play_all(requests, fixtures, args.jobs, heap=pool.HEAP["big"])
        return
    requests = [request for one in traces.values() for request in classes.requests(name, one, args.full)]
    yield from pool.play_all(requests, fixtures, args.jobs)


def _play_one(identity: str, fixtures: Path) -> int:
    console = Console(highlight=False)
    name = identity.split("/")[0]
    if name in REAL:
        result = REAL[name].play_one(identity, fixtures, console.print)
    else:
        result = _play_in_simulation(identity, fixtures, console)
    console.print(f"{result['outcome']} {result['detail']}", markup=False)
    return int(result["outcome"] != "ok")


def _play_in_simulation(identity: str, fixtures: Path, console: Console) -> dict:
    name, mode = identity.split("/")[:2]
    heap = pool.HEAP["big" if name == BIG else "attacks" if name in ATTACKS else "small"]
    try:
        chosen, case = _find(identity, name, mode, fixtures, heap)
    except KeyError:
        raise ToolError(f"class {name} has no case {identity!r}") from None
    worker = pool.Worker(fixtures, (chosen,), heap=heap)
    result: dict = {}
    for told in worker.play(pool.Request(chosen, [case], show=True)):
        if isinstance(told, dict):
            result = told
        else:
            console.print(told, markup=False, soft_wrap=True)
    worker.close()
    return result


def _find(identity: str, name: str, mode: str, fixtures: Path, heap: str) -> tuple[str, dict]:
    """The fixture and the case. Raises KeyError."""
    if name in ATTACKS:
        ground, case = table.find(identity, forge.grounds(fixtures))
        return ground.trace.fixture, case
    if name == BIG:
        fixture.make_big(fixtures)
    return mode, classes.find(identity, pool.traces(fixtures, (mode,), heap)[mode])
