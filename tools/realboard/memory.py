"""What an update needs of a board's memory, by chip and by where the package lies.

On an ESP32 TLS takes its memory from ESP-IDF, and so does MicroPython's heap once its first area is full.
What a form needs there is what the bench found in simulation; where it has no line, it is calculated from
those it has. Nothing here was measured on hardware.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tools.programs import cache

KIB = 1024
FORMS = {"files": "", "ROMFS": "_in_place", "frozen": "_frozen"}  # endings of the bench's lines
SIMULATED = {56 * KIB: "esp32_room", 64 * KIB: "esp32c3_room"}  # by the heap's first area
KEPT = 8 * KIB  # of the heap, by the port itself
# Of mbedtls as MicroPython has it, with buffers of 16,384 bytes in and 4,096 out.
SECOND = 23_200  # bytes more at the worst moment, if both connections are there
BLOCK = 16_728  # bytes in one piece, for each
PSRAM = 1024 * KIB  # a region as large as this lies outside the chip
CONNECTIONS = 2  # the broker's and the file server's
FAMILY = re.compile(r"ESP32-?([A-Z]\d+)?")  # ESP32-PICO-D4 is an ESP32, ESP32-S3-FN8 an S3
PLAIN = ("D0", "D2", "S0", "U4")  # ESP32-D2WD and others: no families of their own, see device/board.py
SMALL = ("S2", "C2")


def _lines() -> dict[str, float]:
    """The committed figures of the bench."""
    return json.loads((cache.REPO / "tools" / "bench" / "budget.json").read_text())["lines"]


def first_area(machine: str) -> int:
    """Bytes with which the heap begins. machine: what sys.implementation says, or a chip's name."""
    found = FAMILY.search(machine.upper().rsplit(" WITH ", 1)[-1])
    if found and found[1] in (None, *PLAIN):
        return 56 * KIB
    return (36 if found and found[1] in SMALL else 64) * KIB


def heap_needed(form: str) -> int:
    """Bytes of MicroPython's heap, the port's own among them."""
    return int(_lines()["heap_update" + FORMS[form]] * KIB) + KEPT


def idf_needed(form: str, area: int) -> int | None:
    """Bytes of ESP-IDF's memory that must be free once Wi-Fi is on, for one TLS connection at a time; both
    take SECOND more. None: the heap does not suffice. area: bytes of its first one."""
    lines, heap = _lines(), heap_needed(form)
    for size in sorted(SIMULATED, reverse=True):
        line = SIMULATED[size] + FORMS[form]
        if line in lines and (size == area or heap <= size < area):
            return lines[line]
    if heap > 2 * area:  # it doubles once
        return None
    return tls_needed() + (area if heap > area else 0)


def tls_needed() -> int:
    """Bytes for one connection, where the heap stays in its first area: frozen, it does."""
    return _lines()["esp32_room_frozen"]


def connections(form: str, area: int, regions: Sequence[Sequence[int]]) -> int:
    """How many TLS connections there is room for in an update: 0, 1 at a time, or 2.

    regions: what esp32.idf_heap_info() returns, each (bytes, free, largest free piece, least free so far). A
    heap that grows does so in PSRAM where there is some; TLS stays inside the chip.
    """
    inside = [region for region in regions if region[0] < PSRAM]
    free = sum(region[1] for region in inside)
    pieces = sum(region[2] // BLOCK for region in inside)
    need = idf_needed(form, area) if len(inside) == len(regions) else tls_needed()
    if need is None:
        return 0
    return min(pieces, sum(free >= need + SECOND * more for more in range(CONNECTIONS)))


def connections_in_heap(form: str, size: int) -> int:
    """The same for a port on which TLS takes from MicroPython's heap of `size` bytes, as on rp2."""
    room = size - heap_needed(form) - tls_needed()
    return sum(room >= SECOND * more for more in range(CONNECTIONS))
