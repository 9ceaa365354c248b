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
from tools.testbed.stage import MAC
from tools.torture import boards, releases
from tools.torture.earlierboards import FLOOR, LIMIT_S, RESETS, EarlierStage, World, Wrong
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
    """play(stage): on a board of `release` that is off. faults: see SimBoard.inject."""

    id: str
    release: str
    play: Callable[[EarlierStage], None]
    faults: list = field(default_factory=list)
    attempts: int = 1


def results(kits: Path, full: bool, jobs: int) -> Iterator[dict[str, Any]]:
    """The result of every case, in the order in which they end; none without the sources of that release."""
    try:
        releases.sources(EARLIER)
    except ToolError as error:
        print(f"{TITLE}: not played: {error}")
        return
    with tempfile.TemporaryDirectory(prefix="ota-earlier-") as folder:
        world = World(kits, Path(folder))
        cases = [case for at, case in enumerate(_cases(world)) if full or _is_chosen(at, case)]
        yield from boards.play_all(partial(play, world=world), cases, jobs)


def play_one(identity: str, kits: Path, show: Callable[[str], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="ota-earlier-") as folder:
        world = World(kits, Path(folder))
        cuts = identity.split("/")[1:2] == ["cut"]
        for case in _cases(world) if cuts else whole():
            if case.id == identity:
                return play(case, world, show)
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


def _cases(world: World) -> list[Case]:
    """With power cuts at each operation of the flash; an undisturbed run tells how many there are."""
    cases = whole()
    for name, release, played in (
        ("there", EARLIER, _updated), ("back", TODAY, _updated), ("fails", EARLIER, _failed),
    ):  # fmt: skip
        told = play(Case(f"{NAME}/cut/{name}", release, played), world)
        if told["outcome"] != "ok":
            raise ToolError(f"the undisturbed {told['id']} fails: {told['detail']}")
        for number in range(*told["operations"]):
            kind = _KINDS[number % 3]
            cases.append(Case(f"{NAME}/cut/{name}/{number}-{kind[0]}", release, played, [[number, *kind]]))
    return cases


def play(case: Case, world: World, show: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    result = {"id": case.id, "outcome": "ok", "detail": "", "repeated": 0}
    with tempfile.TemporaryDirectory(prefix="ota-earlier-") as folder:
        try:
            world.prepare(case.release)
            with EarlierStage(world, case.release, Path(folder), case.attempts) as stage:
                stage.board.on_line = show
                stage.board.inject(case.faults)
                first = stage.board.operations()
                try:
                    case.play(stage)
                except TimeoutError as error:
                    ended = stage.board.ended or ""
                    outcome = "bricked" if ended == "bricked" else "hung" if ended else "lost"
                    raise Wrong(outcome, str(error)[-600:]) from None
                result["operations"] = (first, stage.operations)
        except (Wrong, TimeoutError) as error:
            outcome, detail = error.args if isinstance(error, Wrong) else ("lost", str(error)[-600:])
            result |= {"outcome": outcome, "detail": detail}
    return result


def _there_and_back(stage: EarlierStage) -> None:
    """To the other release, back, and there again; the owner's key is followed by the next one each time."""
    other = OTHER[stage.release]
    for release, version, key in ((other, NEW, 1), (stage.release, NEXT, 2), (other, LAST, 3)):
        stage.start()
        stage.update(release, version, key, brings=key + 1 if key < 3 else None)
        stage.check_memory(key, version)


def _waiting(stage: EarlierStage) -> None:
    """Between two boots of an image on trial another offer comes: who is confirmed goes on with it."""
    stage.start()
    other = OTHER[stage.release]
    since = len(stage.operator.messages)
    stage.push(stage.signed(stage.build(NEW, other, ONCE), NEW, 1))
    stage.wait_report("INIT", LIMIT_S, since)
    stage.push(stage.signed(stage.build(WAITING, other), WAITING, 1))
    for version in (NEW, WAITING):
        stage.board.wait_for("confirmed " + version, LIMIT_S)
    stage.check_memory(1, WAITING)


def _rolled_back(stage: EarlierStage, main: str) -> None:
    """The image fails its trial. Who is back reads what it has written, and takes the next one, whose own
    update is not disturbed by what the first one has left."""
    stage.start()
    other = OTHER[stage.release]
    failed = stage.signed(stage.build(NEW, other, main), NEW, 1)
    stage.push(failed)
    stage.wait_error(errors.ROLLED_BACK, LIMIT_S)
    stage.expect(failed, errors.REFUSED_IMAGE)
    stage.check_memory(1, FLOOR)
    stage.start()
    stage.update(other, NEXT, 1)
    stage.expect(failed | {"version": "1.0.9"}, errors.REFUSED_IMAGE)
    start, since = len(stage.board.lines), len(stage.operator.messages)
    stage.push(stage.signed(stage.build(LAST, other), LAST, 1))
    stage.board.wait_for("boot: running slot", LIMIT_S, start)
    stage.board.cut_power()  # on trial, and that does not count
    stage.board.power_on()
    stage.wait_confirmed(LAST, start, since)
    stage.check_memory(1, LAST)


def _updated(stage: EarlierStage) -> None:
    """Whatever happens in between, the new image is confirmed, and with it the key that follows."""
    image = stage.build(NEW, OTHER[stage.release], brings=3)
    stage.operator.offer_after_init(MAC, stage.signed(image, NEW, 2))
    stage.board.power_on()
    stage.wait_until_it_runs(NEW)
    stage.end()
    if stage.board.slot("ota_0", len(image)) != image:
        raise Wrong("unverified", "the slot does not hold the image")
    if stage.start().data["version"] != NEW:
        raise Wrong("unverified", "another image runs")
    stage.check_memory(2, NEW)


def _failed(stage: EarlierStage) -> None:
    """Whatever happens in between, the old image is back and knows why."""
    image = stage.build(NEW, OTHER[stage.release], FAILS)
    offer = stage.signed(image, NEW, 1)
    stage.operator.offer_after_init(MAC, offer)
    stage.board.power_on()
    stage.wait_error(errors.ROLLED_BACK, LIMIT_S)
    stage.end()
    if stage.start().data["version"] != FLOOR:
        raise Wrong("unverified", "another image runs")
    stage.settle()
    stage.expect(offer, errors.REFUSED_IMAGE)
    stage.check_memory(1, FLOOR)
