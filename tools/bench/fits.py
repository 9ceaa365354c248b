"""The table of device/ESP32.md: on which chip an update fits, by where the package lies."""

from __future__ import annotations

from dataclasses import dataclass

from tools import cache
from tools.bench.readme import between, put_between
from tools.boards import memory

PAGE = cache.REPO / "device" / "ESP32.md"
BEGIN, END = "<!-- fits: begin -->\n", "<!-- fits: end -->\n"
HEAD = (
    "| chip | its heap begins with | package | an update takes of it | beside it: one connection | both"
    " | free there, KB | so |\n|---|---:|---|---:|---:|---:|---:|---|"
)
UNKNOWN, ASK = "not measured", "`doctor` tells"
PICO_W = 190_000  # bytes of its one heap, about
WIFI = 40_000  # bytes that it takes, about
# Free after boot, before Wi-Fi, as users of stock ESP32 told: MicroPython's issues 7214, and 18859, where the
# heap had doubled.
TOLD = (137_132, 94_256 + 56 * memory.KIB)
FREE = {"ESP32": (TOLD[0] - WIFI, TOLD[1] - WIFI), "C3": None, "C6": None, "S2": None, "S3": None}
VERDICTS = ("no", "one at a time", "fits")  # by the connections there is room for


@dataclass(frozen=True)
class Row:
    """heap, area: bytes. needs: bytes for one connection and for both, None: no memory suffices. free:
    bytes, the least and the most of such boards with Wi-Fi on; None: nobody has told."""

    chip: str
    area: int
    form: str
    needs: tuple[int | None, int | None]
    free: tuple[int, int] | None

    def __str__(self) -> str:
        heap = f"{memory.heap_needed(self.form) / memory.KIB:.4g} KiB"
        free = UNKNOWN if self.free is None else "–".join(dict.fromkeys(f"{n // 1000}" for n in self.free))
        needs = map(_needed, self.needs)
        cells = (self.chip, _area(self.area), self.form, heap, *needs, free, self._verdict())
        return "| " + " | ".join(cells) + " |"

    def _verdict(self) -> str:
        if self.needs[0] is None:
            return VERDICTS[0]
        if self.free is None:
            return ASK
        verdicts = [VERDICTS[self._connections(size)] for size in self.free]
        return " to ".join(dict.fromkeys(verdicts))

    def _connections(self, free: int) -> int:
        return sum(need is not None and free >= need for need in self.needs)


def rows() -> list[Row]:
    """Chip by chip; on a Pico W TLS takes from the heap itself."""
    found = []
    for chip, free in FREE.items():
        name = chip if chip == "ESP32" else f"ESP32-{chip}"
        area = memory.first_area(name)
        for form in memory.FORMS:
            needs = (memory.idf_needed(form, area, 1), memory.idf_needed(form, area, 2))
            found.append(Row(name, area, form, needs, free))
    for form in memory.FORMS:
        room = PICO_W - memory.heap_needed(form)
        needs = (memory.tls_needed(), memory.tls_needed() + memory.SECOND)
        found.append(Row("Pico W", PICO_W, form, needs, (room, room)))
    return found


def table() -> str:
    """In Markdown."""
    return "\n".join([HEAD, *map(str, rows())]) + "\n"


def write() -> None:
    put_between(PAGE, BEGIN, END, table())


def written() -> str:
    """The table as it stands there."""
    return between(PAGE, BEGIN, END)


def _area(size: int) -> str:
    return f"{size // memory.KIB} KiB"


def _needed(size: int | None) -> str:
    return "–" if size is None else f"{-(-size // 1000)} KB"
