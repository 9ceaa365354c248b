"""The smallest heap in which something succeeds, and what happens in those that are smaller still."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.bench import cost, verify
from tools.bench.boardcode import ENDINGS, FILES, IN_PLACE, BoardCode
from tools.bench.site import RESET_EXIT, Site, wait
from tools.bench.work import floor_command
from tools.errors import ToolError

STEP = 256  # bytes: the heap's sizes that are tried
CONFIRMATIONS = 3
HIGHEST = 256 * 1024
LOWEST = 6 * 1024
REPORT_LIMIT_S = 5
LONG_URL = 1900  # characters: a presigned one

SWEEP_STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # KiB below the smallest heap of an update


def smallest(
    succeeds: Callable[[int], bool], lowest: int = LOWEST, highest: int = HIGHEST, step: int = STEP
) -> int:
    """The smallest heap in bytes, a multiple of step, that succeeds CONFIRMATIONS times in a row."""
    low, high = lowest // step, highest // step  # high succeeds, below low nothing does
    if not succeeds(high * step):
        raise ToolError(f"does not even succeed in a heap of {highest} bytes")
    while low < high:
        middle = (low + high) // 2
        if succeeds(middle * step):
            high = middle
        else:
            low = middle + 1
    while not all(succeeds(high * step) for _ in range(CONFIRMATIONS)):
        high += 1
    return high * step


def measure(site: Site) -> dict[str, float]:
    """The lines of the group heap, in KiB."""
    results = {
        f"heap_update{ending}": smallest(lambda heap, place=place: not site.update(heap, place))
        for place, ending in ENDINGS.items()
    }
    with site.long_url(LONG_URL):
        results["heap_update_url"] = smallest(lambda heap: not site.update(heap, FILES))
    for name, module in (("heap_floor", "floor"), ("heap_requests", "library")):
        results[name] = smallest(lambda heap, module=module: _downloads(site, module, heap))
    return {name: value / 1024 for name, value in results.items()}


def _downloads(site: Site, module: str, heap: int) -> bool:
    site.new_board(IN_PLACE)
    site.offer_image(len(site.image), "http")
    try:
        cost.run(
            floor_command(site, "http", heap=heap, module=module), site.board, site.board_code.environment, 30
        )
    except ToolError:
        return False
    finally:
        site.offer_image(len(site.image))
    return (site.board / "ota_1").read_bytes()[: len(site.image)] == site.image


def measure_signature(folder: Path) -> dict[str, float]:
    """The lines of the group signature heap, in KB of 1000 bytes, as the peers' are published."""
    board_code = BoardCode(folder / "code")
    place = folder / "board"
    verify.lay_out(place, board_code, FILES)
    found = {
        form: smallest(lambda heap, form=form: verify.succeeds(board_code, place, heap, form)) / 1000
        for form in verify.FORMS
    }
    return {"ecdsa_heap": max(found.values()), "ecdsa_heap_plain": found["plain"]}


# Too small


def sweep(site: Site) -> dict[str, float]:
    """The lines of the group sweep: an update in place with less and less heap."""
    lowest = smallest(lambda heap: not site.update(heap, IN_PLACE))
    heaps = [lowest - 1024 * step for step in SWEEP_STEPS if lowest - 1024 * step >= LOWEST]
    outcomes = [_play(site, heap) for heap in heaps]
    failed = [outcome for outcome in outcomes if outcome != "updated"]
    return {
        "sweep_wrong": outcomes.count("wrong"),
        "sweep_mute": outcomes.count("mute"),
        "sweep_reported": 100 * failed.count("reported") / max(1, len(failed)),
    }


def _play(site: Site, heap: int) -> str:
    """One update: "updated", "reported" (to the broker), "logged", "mute", or "wrong", which must not be."""
    site.new_board(IN_PLACE)
    before = (site.board / "ota_0").read_bytes()
    since = len(site.testbed.operator.messages)
    with site.running(site.board_code.command(heap, IN_PLACE, "client")) as run:
        wait(lambda: run.has_failed or site.heard(since, "INIT"), REPORT_LIMIT_S)
        site.testbed.push(site.offer)
        wait(lambda: site.heard(since, "errorCode") or run.process.poll() is not None, REPORT_LIMIT_S)
        code = run.process.poll()
    slot = (site.board / "ota_1").read_bytes()[: len(site.image)]
    blank_record = set((site.board / "otadata").read_bytes()) == {0xFF}
    if (site.board / "ota_0").read_bytes() != before or not (blank_record or slot == site.image):
        return "wrong"
    if code == RESET_EXIT and slot == site.image:
        return "updated"
    if not blank_record or slot[:64] == site.image[:64]:
        return "wrong"
    if site.heard(since, "errorCode"):
        return "reported"
    return "logged" if run.has_failed and run.lines else "mute"
