"""The lowest memory of ESP-IDF with which a board updates itself, beside MicroPython's first heap area.

As on an ESP32, MicroPython's heap begins with one area and takes more from the memory that TLS needs too
(tools/programs/frozen/modules/idfheap). What failed is printed, with the errors and how often the heap grew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tools.bench.boardcode import FILES, FROZEN, IN_PLACE, built
from tools.bench.heap import smallest
from tools.bench.site import RESET_EXIT, Run, Site, wait
from tools.programs.frozen import build

ESP32, ESP32C3 = 56 * 1024, 64 * 1024  # bytes of the first area
TAKEN = 8 * 1024  # bytes of it that a real port has filled: `machine`, boot
STEP = 1000  # bytes
LOWEST, HIGHEST = 10_000, 300_000
ABOVE = range(STEP, 33 * STEP, STEP)  # bytes over the lowest: here a second connection begins to fit
LIMIT_S = 30  # of each half of an update
VALID = 2
ERROR = re.compile(r"E/ota \[[\d.]+\] (-\d+)")
NO_MEMORY = "-2"
GROWN = "idfheap: an area"


@dataclass(frozen=True)
class Board:
    """area: bytes of the heap's first one. place: of boardcode.py."""

    area: int
    place: str


BOARDS = {
    "esp32_room": Board(ESP32, FILES),
    "esp32_room_in_place": Board(ESP32, IN_PLACE),
    "esp32_room_frozen": Board(ESP32, FROZEN),
    "esp32c3_room": Board(ESP32C3, FILES),
}


@dataclass(frozen=True)
class Outcome:
    """failure: "" or where the update ended. codes: of the errors in the log. grown: areas that were added,
    the highest number in one of its two processes."""

    failure: str
    codes: tuple[str, ...]
    grown: int

    def __str__(self) -> str:
        errors = " ".join(self.codes) or "no error"
        return f"{self.failure or 'updated'}, heap grown {self.grown} times, {errors}"


def measure(site: Site) -> dict[str, float]:
    """The lines of the group room; none where the interpreter cannot be built."""
    if not build.IS_POSSIBLE:
        return {}
    results: dict[str, float] = {}
    failed_above = 0
    for name, board in BOARDS.items():
        lowest, outcomes = lowest_room(site, board)
        results[name] = lowest
        failed_above += sum(bool(outcomes[lowest + more].failure) for more in ABOVE)
        for idf_bytes in sorted(outcomes):
            if outcomes[idf_bytes].failure or idf_bytes == lowest:
                print(f"{name} {idf_bytes:,}: {outcomes[idf_bytes]}")
    return results | {"room_failed_above": failed_above}


def lowest_room(site: Site, board: Board, wifi: str = "apart") -> tuple[int, dict[int, Outcome]]:
    """The lowest number of bytes with which it updates itself, and the outcome of each number that was
    played, those ABOVE too. wifi: see onboard/room.py."""
    outcomes: dict[int, Outcome] = {}

    def succeeds(idf_bytes: int) -> bool:
        outcomes[idf_bytes] = play(site, board, idf_bytes, wifi)
        return not outcomes[idf_bytes].failure

    lowest = smallest(succeeds, LOWEST, HIGHEST, STEP)
    for more in ABOVE:
        succeeds(lowest + more)
    return lowest, outcomes


def play(site: Site, board: Board, idf_bytes: int, wifi: str = "apart") -> Outcome:
    """A whole update of a new board. To give up the broker's link for it is not a failure."""
    site.new_board(board.place)
    command = _command(site, board, idf_bytes, wifi)
    first = _download(site, command)
    if first.process.returncode != RESET_EXIT:
        return _outcome("not downloaded", first)
    if (site.board / "ota_1").read_bytes()[: len(site.image)] != site.image:
        return _outcome("restarted without the image", first)
    second = _confirm(site, command)
    return _outcome("" if _is_valid(site) else "not confirmed", first, second)


def _command(site: Site, board: Board, idf_bytes: int, wifi: str) -> list[str]:
    rom = [site.board_code.rom(IN_PLACE)] if board.place == IN_PLACE else []
    arguments = ("-X", f"heapsize={board.area}", "-m", "room", idf_bytes, TAKEN, wifi, *rom)
    return [*built(board.place), *map(str, arguments)]


def _download(site: Site, command: list[str]) -> Run:
    """To the restart, or until it has failed for good."""
    since = len(site.testbed.operator.messages)
    with site.running(command) as run:
        wait(lambda: _has_ended(run) or _has_failed(run) or site.heard(since, "INIT"), LIMIT_S)
        site.testbed.push(site.offer)
        wait(lambda: _has_failed(run) or site.heard(since, "errorCode") or _has_ended(run), LIMIT_S)
    return run


def _confirm(site: Site, command: list[str]) -> Run:
    """Until the new image is valid. An error tells nothing here: the offer may come once more."""
    since = len(site.testbed.operator.messages)
    with site.running(command) as run:
        wait(lambda: _has_ended(run) or (site.heard(since, "UPDATE") and _is_valid(site)), LIMIT_S)
    return run


def _is_valid(site: Site) -> bool:
    return (site.board / "otadata").read_bytes()[24] == VALID


def _has_ended(run: Run) -> bool:
    return run.process.poll() is not None


def _has_failed(run: Run) -> bool:
    """For good: it is dead, or tells of something else than a lack of memory."""
    return run.process.poll() not in (None, RESET_EXIT) or bool(set(_codes(run)) - {NO_MEMORY})


def _codes(run: Run) -> list[str]:
    return [found[1] for line in list(run.lines) if (found := ERROR.match(line))]


def _outcome(failure: str, *runs: Run) -> Outcome:
    codes = dict.fromkeys(code for run in runs for code in _codes(run))
    grown = max(sum(line.startswith(GROWN) for line in run.lines) for run in runs)
    return Outcome(failure, tuple(codes), grown)
