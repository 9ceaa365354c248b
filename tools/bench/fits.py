"""The table of device/ESP32.md: on which chip an update fits, by where the package lies."""

from __future__ import annotations

from dataclasses import dataclass

from tools.bench.readme import between, put_between
from tools.programs import cache
from tools.realboard import memory

PAGE = cache.REPO / "device" / "ESP32.md"
BEGIN, END = "<!-- fits: begin -->\n", "<!-- fits: end -->\n"
HEAD = (
    "| chip | its heap begins with | package | an update takes of it | beside it: one connection | both"
    " | free there, KB | so |\n|---|---:|---|---:|---:|---:|---:|---|"
)
UNKNOWN, ASK = "not measured", "`doctor` shows"
PICO_W = 190_000  # bytes of its one heap, about
WIFI = 40_000  # bytes that it takes, about
# Free after boot, before Wi-Fi, as users of stock ESP32 reported: MicroPython's issues 7214, and 18859, where
# the heap had doubled.
REPORTED = (137_132, 94_256 + 56 * memory.KIB)
FREE = {"ESP32": (REPORTED[0] - WIFI, REPORTED[1] - WIFI), "C3": None, "C6": None, "S2": None, "S3": None}
VERDICTS = ("no", "one at a time", "fits")  # by the connections there is room for


@dataclass(frozen=True)
class Row:
    """area, need: bytes; need: beside it, for one connection at a time, None: no memory suffices. free:
    bytes, lowest and highest of such boards with Wi-Fi on; None: never reported."""

    chip: str
    area: int
    form: str
    need: int | None
    free: tuple[int, int] | None

    def __str__(self) -> str:
        heap = f"{memory.heap_needed(self.form) / memory.KIB:.4g} KiB"
        free = UNKNOWN if self.free is None else "–".join(dict.fromkeys(f"{n // 1000}" for n in self.free))
        cells = (self.chip, _area(self.area), self.form, heap, *self._needs(), free, self._verdict())
        return "| " + " | ".join(cells) + " |"

    def _needs(self) -> tuple[str, str]:
        return ("–", "–") if self.need is None else (_kb(self.need), _kb(self.need + memory.SECOND))

    def _verdict(self) -> str:
        if self.need is None:
            return VERDICTS[0]
        if self.free is None:
            return ASK
        counts = [(free >= self.need) + (free >= self.need + memory.SECOND) for free in self.free]
        return " to ".join(dict.fromkeys(VERDICTS[count] for count in counts))


def rows() -> list[Row]:
    """Chip by chip; on a Pico W TLS takes from the heap itself."""
    found = []
    for chip, free in FREE.items():
        name = chip if chip == "ESP32" else f"ESP32-{chip}"
        area = memory.first_area(name)
        for form in memory.FORMS:
            found.append(Row(name, area, form, memory.idf_needed(form, area), free))
    for form in memory.FORMS:
        room = PICO_W - memory.heap_needed(form)
        found.append(Row("Pico W", PICO_W, form, memory.tls_needed(), (room, room)))
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


def _kb(size: int) -> str:
    return f"{-(-size // 1000)} KB"
