"""Plays cases inside MicroPython. Each line of input is {"cases": [...]}; each case that ends prints "=" and
its result in JSON, and the line is done when "." comes.

usage: worker.py FOLDER FIXTURE …     (folders that fixture.py made)
"""

import json
import os
import sys

import fakenet
import fixtures
import fork
import powerfs
import sharedmemory
import simulation
import vfs

from device import ecdsa, log, phases

_known = {}  # results of the one slow and pure function, by its arguments
_verify = ecdsa.verify


def _remembered_verify(key, digest, signature, table=None):
    arguments = (bytes(key), bytes(digest), bytes(signature))
    if arguments not in _known:
        _known[arguments] = _verify(key, digest, signature, table)
    if _known[arguments]:
        simulation.running.verified()
    return _known[arguments]


def _report(result):
    print("=" + json.dumps(result))


class Branches:
    """Where cases leave the undisturbed run: their faults stand in `cases` until their point is reached."""

    def __init__(self, cases):
        self._at = {}
        for case in cases:
            self._at.setdefault(_point(case), []).append(case)

    def reach(self, point):
        """Called by the simulation when something is about to happen. In a child: returns its case."""
        for case in self._at.pop(point, ()):
            try:
                is_child = fork.branch()
            except fork.Hung as hung:
                _report_hung(case, hung)
                continue
            if is_child:
                self._at = {}
                return case
        return None


def _point(case):
    """("write", number) of the flash operation, ("read", number), or ("step", boot, number)."""
    if case.get("flash"):
        number, kind = case["flash"][0][:2]
        return ("read" if kind == "read_error" else "write", number)
    boot, step = case["steps"][0][:2]
    return ("step", boot, step)


class Sweep:
    """For a case with one cut: at each operation after it, a child that has a second one."""

    def __init__(self, run):
        self._run = run

    def reach(self, point):
        if point[0] != "write":
            return None
        case = dict(self._run.case)
        second = [point[1], case.pop("sweep")]
        case["id"] = "%s/%d" % (case["id"], point[1])
        case["flash"] = case["flash"] + [second]
        try:
            return case if fork.branch() else None
        except fork.Hung as hung:
            _report_hung(case, hung)
            return None


def _play_branching(cases, fixture):
    run = simulation.Simulation({"id": "base"}, fixture)
    run.branches = Branches(cases)
    run.watches_reads = any(powerfs.counts_reads(case) for case in cases)
    run.sweep = Sweep
    result = run.play()
    if run.is_child:
        if "sweep" not in run.case:
            _report(result)
        fork.end()
    if result["outcome"] != "ok":
        raise RuntimeError("the undisturbed run fails: " + str(result))


def _play_in_child(case, fixture):
    """Nothing of it is left in this process afterwards."""
    try:
        if fork.branch():
            _play_alone(case, fixture)
            fork.end()
    except fork.Hung as hung:
        _report_hung(case, hung)


def _report_hung(case, hung):
    outcome = "hung" if hung.is_late else "crashed"
    _report({"id": case["id"], "outcome": outcome, "detail": str(hung), "repeated": 0})


def _play_alone(case, fixture):
    played = simulation.Simulation(case, fixture)
    result = played.play()
    if case.get("trace"):
        result.update(
            operations=played.operations, steps=played.steps_of_boots, marks=played.marks,
            reads=sharedmemory.get(sharedmemory.READS), connections=list(fakenet.history),
        )  # fmt: skip
    _report(result)


def _load_package():
    """All of it, before "/" is the board's: as if it were in the firmware. What is there before a phase is
    not forgotten after it."""
    for file in os.listdir(phases.path()):
        name, _, ending = file.partition(".")
        if ending == "py" and name not in ("__init__", "manifest"):
            __import__("device." + name)
    phases.path = _no_folder


def _no_folder():
    return None


class _Seldom:
    """What the phases take for `gc`. This heap is large, and to collect at each of their beginnings and ends
    took half of the time: it is done when the heap is full, and at each loss of power."""

    @staticmethod
    def collect():
        pass


def main(folder, names):
    fork.end_with_parent()
    phases.gc = _Seldom
    _load_package()
    simulation.install()
    ecdsa.verify = _remembered_verify
    found = {name: fixtures.Fixture(folder + "/" + name) for name in names}
    vfs.umount("/")
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        request = json.loads(line)
        fixture = found[request["fixture"]]
        simulation.show = request.get("show", False)
        log.output = print if simulation.show else _drop
        if request.get("branch"):
            _play_branching(request["cases"], fixture)
        else:
            for case in request["cases"]:
                _play_in_child(case, fixture)
        print(".")


def _drop(line):
    pass


main(sys.argv[1], sys.argv[2:])
