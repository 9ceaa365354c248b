"""From the release that boards in the field have to today's, and back: what a board remembers survives both
ways, whenever the power goes, and where the new image fails its trial.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from device import errors
from tools.errors import ToolError
from tools.testbed import sampling
from tools.testbed.testbed import MAC
from tools.torture import boards, releases
from tools.torture.earlierboards import LIMIT_S, MIN_VERSION, RESETS, EarlierTestbed, SharedBoards, Wrong
from tools.torture.releases import EARLIER, TODAY

NAME = "earlier"
TITLE = "an earlier release and back"
SAMPLE = 67  # a run plays one power cut in so many,
WHOLE_SAMPLE = 3  # and one in so many of the cases without
NEW, NEXT, LAST, WAITING = "1.0.2", "1.0.3", "1.0.4", "1.0.5"
OTHER = {EARLIER: TODAY, TODAY: EARLIER}
_KINDS = (["before"], ["torn", 7], ["after"])
_LOOP = """import gc

gc.threshold(4096)
from device import agent, config

agent.Agent(config.load("ota.json"), self_test=lambda: %s).run()
"""
FAILS = _LOOP % "False"  # having written to the record
ONCE = """import machine
import os

if "failed_once" not in os.listdir():
    open("failed_once", "w").close()
    machine.reset()
""" + _LOOP % "True"
RAISES = "1 // 0\n"


@dataclass
class Case:
    """play(testbed): on a board of `release` that is off. faults: see SimBoard.inject."""

    id: str
    release: str
    play: Callable[[EarlierTestbed], None]
    faults: list = field(default_factory=list)
    attempts: int = 1


def results(fixtures: Path, full: bool, jobs: int) -> Iterator[dict[str, Any]]:
    """The result of every case, in the order in which they end; none without the sources of that release."""
    try:
        releases.sources(EARLIER)
    except ToolError as error:
        print(f"{TITLE}: not played: {error}")
        return
    with tempfile.TemporaryDirectory(prefix="ota-earlier-") as folder:
        shared = SharedBoards(fixtures, Path(folder))
        cases = [case for at, case in enumerate(_cases(shared)) if full or _is_chosen(at, case)]
        yield from boards.play_all(partial(play, shared=shared), cases, jobs)


def play_one(identity: str, fixtures: Path, show: Callable[[str], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="ota-earlier-") as folder:
        shared = SharedBoards(fixtures, Path(folder))
        cuts = identity.split("/")[1:2] == ["cut"]
        for case in _cases(shared) if cuts else whole():
            if case.id == identity:
                return play(case, shared, show)
    raise ToolError(f"no case {identity!r}")


def _is_chosen(at: int, case: Case) -> bool:
    return sampling.chosen(at, SAMPLE if case.faults else WHOLE_SAMPLE)


def whole() -> list[Case]:
    """Without power cuts."""
    cases = []
    for release, name in ((EARLIER, "there"), (TODAY, "back")):
        failing = {"fails": FAILS, "resets": RESETS} | ({"raises": RAISES} if release == EARLIER else {})
        cases += [
            Case(f"{NAME}/{name}/again", release, _there_and_back),
            Case(f"{NAME}/{name}/waiting", release, _waiting, attempts=2),
            *(Case(f"{NAME}/{name}/{kind}", release, partial(_rolled_back, main=main))
              for kind, main in failing.items()),
        ]  # fmt: skip
    return cases


def _cases(shared: SharedBoards) -> list[Case]:
    """With power cuts at each operation of the flash; an undisturbed run counts them."""
    cases = whole()
    for name, release, played in (
        ("there", EARLIER, _updated), ("back", TODAY, _updated), ("fails", EARLIER, _failed),
    ):  # fmt: skip
        result = play(Case(f"{NAME}/cut/{name}", release, played), shared)
        if result["outcome"] != "ok":
            raise ToolError(f"the undisturbed {result['id']} fails: {result['detail']}")
        for number in range(*result["operations"]):
            kind = _KINDS[number % 3]
            cases.append(Case(f"{NAME}/cut/{name}/{number}-{kind[0]}", release, played, [[number, *kind]]))
    return cases


def play(case: Case, shared: SharedBoards, show: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    result = {"id": case.id, "outcome": "ok", "detail": "", "repeated": 0}
    with tempfile.TemporaryDirectory(prefix="ota-earlier-") as folder:
        try:
            shared.prepare(case.release)
            with EarlierTestbed(shared, case.release, Path(folder), case.attempts) as testbed:
                testbed.board.on_line = show
                testbed.board.inject(case.faults)
                first = testbed.board.operations()
                try:
                    case.play(testbed)
                except TimeoutError as error:
                    ended = testbed.board.ended or ""
                    outcome = "bricked" if ended == "bricked" else "hung" if ended else "lost"
                    raise Wrong(outcome, str(error)[-600:]) from None
                result["operations"] = (first, testbed.operations)
        except (Wrong, TimeoutError) as error:
            outcome, detail = error.args if isinstance(error, Wrong) else ("lost", str(error)[-600:])
            result |= {"outcome": outcome, "detail": detail}
    return result


def _there_and_back(testbed: EarlierTestbed) -> None:
    """To the other release, back, and there again; the owner's key is followed by the next one each time."""
    other = OTHER[testbed.release]
    for release, version, key in ((other, NEW, 1), (testbed.release, NEXT, 2), (other, LAST, 3)):
        testbed.start()
        testbed.update(release, version, key, brings=key + 1 if key < 3 else None)
        testbed.check_memory(key, version)


def _waiting(testbed: EarlierTestbed) -> None:
    """Between two boots of an image on trial another offer comes: who is confirmed goes on with it."""
    testbed.start()
    other = OTHER[testbed.release]
    since = len(testbed.operator.messages)
    testbed.push(testbed.signed(testbed.build(NEW, other, ONCE), NEW, 1))
    testbed.wait_report("INIT", LIMIT_S, since)
    testbed.push(testbed.signed(testbed.build(WAITING, other), WAITING, 1))
    for version in (NEW, WAITING):
        testbed.board.wait_for("confirmed " + version, LIMIT_S)
    testbed.check_memory(1, WAITING)


def _rolled_back(testbed: EarlierTestbed, main: str) -> None:
    """The image fails its trial. Who is back reads what it has written, and takes the next one, whose own
    update is not disturbed by what the first one has left."""
    testbed.start()
    other = OTHER[testbed.release]
    failed = testbed.signed(testbed.build(NEW, other, main), NEW, 1)
    testbed.push(failed)
    testbed.wait_error(errors.ROLLED_BACK, LIMIT_S)
    testbed.expect(failed, errors.REFUSED_IMAGE)
    testbed.check_memory(1, MIN_VERSION)
    testbed.start()
    testbed.update(other, NEXT, 1)
    testbed.expect(failed | {"version": "1.0.9"}, errors.REFUSED_IMAGE)
    start, since = len(testbed.board.lines), len(testbed.operator.messages)
    testbed.push(testbed.signed(testbed.build(LAST, other), LAST, 1))
    testbed.board.wait_for("boot: running slot", LIMIT_S, start)
    testbed.board.cut_power()  # on trial, and that does not count
    testbed.board.power_on()
    testbed.wait_confirmed(LAST, start, since)
    testbed.check_memory(1, LAST)


def _updated(testbed: EarlierTestbed) -> None:
    """Whatever happens in between, the new image is confirmed, and with it the key that follows."""
    image = testbed.build(NEW, OTHER[testbed.release], brings=3)
    testbed.operator.offer_after_init(MAC, testbed.signed(image, NEW, 2))
    testbed.board.power_on()
    testbed.wait_until_it_runs(NEW)
    testbed.end()
    if testbed.board.slot("ota_0", len(image)) != image:
        raise Wrong("unverified", "the slot does not hold the image")
    if testbed.start().data["version"] != NEW:
        raise Wrong("unverified", "another image runs")
    testbed.check_memory(2, NEW)


def _failed(testbed: EarlierTestbed) -> None:
    """Whatever happens in between, the old image is back and has the cause."""
    image = testbed.build(NEW, OTHER[testbed.release], FAILS)
    offer = testbed.signed(image, NEW, 1)
    testbed.operator.offer_after_init(MAC, offer)
    testbed.board.power_on()
    testbed.wait_error(errors.ROLLED_BACK, LIMIT_S)
    testbed.end()
    if testbed.start().data["version"] != MIN_VERSION:
        raise Wrong("unverified", "another image runs")
    testbed.settle()
    testbed.expect(offer, errors.REFUSED_IMAGE)
    testbed.check_memory(1, MIN_VERSION)
