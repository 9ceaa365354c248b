"""The lines of the bench: what each is called, what it must reach and what it aims at, in this order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """must, aim: the highest value that is good enough; None = only reported. group: what measures it."""

    name: str
    group: str
    title: str
    unit: str
    must: float | None = None
    aim: float | None = None
    quick: bool = False  # checked by the test command too


# Records in two copies, the guard of a trial and the budget of erases came later, for 3 KiB more at the most.
_LATER_KIB = 3

LINES = (
    Line("heap_update", "heap", "smallest heap of an update, .mpy files", "KiB", 52, 46),
    Line("heap_update_in_place", "heap", "smallest heap of an update, executed in place", "KiB", 38, 35),
    Line("heap_update_frozen", "heap", "smallest heap of an update, code frozen", "KiB", 26 + _LATER_KIB, 24),
    Line("heap_update_url", "heap", "the same, .mpy files, with a URL of 1,900 characters", "KiB", 57, 52),
    Line("heap_floor", "heap", "smallest heap of the floor loop, http", "KiB"),
    Line("heap_requests", "heap", "smallest heap of requests, .raw.read(4096)", "KiB"),
    Line("ram_import", "ram", "RAM after import, .mpy files", "bytes", 18000, 16000),
    Line("ram_import_in_place", "ram", "RAM after import, executed in place", "bytes", 12000, 10500),
    Line("ram_import_frozen", "ram", "RAM after import, code frozen", "bytes", 9000, 8200),
    Line("heap_idle", "loads", "heap in use, online and waiting, .mpy files", "KiB", 34, 30, quick=True),
    Line("mpy_at_once", "loads", "largest set of modules in memory together, to the restart",
         ".mpy bytes", 17000, 15000, quick=True),
    Line("phases_loaded", "loads", "phases loaded, from start to restart", "phases"),
    Line("mpy_loaded", "loads", "read from .mpy files, from start to restart", "bytes"),
    Line("esp32_room", "room", "IDF heap beside an ESP32's first area, .mpy files", "bytes", 87000, 36000),
    Line("esp32_room_in_place", "room", "the same, executed in place", "bytes", 45000, 36000),
    Line("esp32_room_frozen", "room", "the same, code frozen", "bytes", 45000, 30000),
    Line("esp32c3_room", "room", "IDF heap beside a C3's first area, .mpy files", "bytes", 36000, 32000),
    Line("room_failed_above", "room", "updates that failed above these four", "runs", 0, 0),
    Line("sweep_wrong", "sweep", "heap too small: committed or harmed", "runs", 0, 0),
    Line("sweep_mute", "sweep", "heap too small: nobody heard of it", "runs", 0, 0),
    Line("sweep_reported", "sweep", "heap too small: the broker heard of it", "%"),
    Line("work_http", "work", "instructions × floor, http", "×", 1.20, 1.15),
    Line("work_https", "work", "instructions × floor, https", "×", 1.06, 1.03),
    Line("floor_http", "work", "instructions of the floor, http", "per byte"),
    Line("floor_https", "work", "instructions of the floor, https", "per byte"),
    Line("allocated_per_image", "memory", "allocated from the first block written to the last",
         "bytes", 15000, 9340),
    Line("allocated_to_first_block", "memory", "allocated from the file server's look-up to the first block",
         "bytes"),
    Line("allocated_floor", "memory", "allocated by the floor loop", "bytes"),
    Line("loop_allocations", "memory", "allocated by a poll() of one block, no report",
         "bytes", 0, 0, quick=True),
    Line("erases_per_block", "flash", "erases of a block, the most", "erases", 1, 1, quick=True),
    Line("blocks_erased_twice", "flash", "blocks erased twice", "blocks", 0, 0, quick=True),
    Line("bytes_read_back", "flash", "read from the slot per byte of the image", "×"),
    Line("journal_writes", "flash", "writes of the journal for the image", "writes"),
    Line("ecdsa_plain", "verify", "one signature, plain key", "instructions", 62e6, 40e6),
    Line("ecdsa_table", "verify", "one signature, key with table", "instructions", 27e6, 17.5e6),
    Line("ecdsa_plain_mulmods", "verify", "one signature, plain key", "a*b%p", quick=True),
    Line("ecdsa_table_mulmods", "verify", "one signature, key with table", "a*b%p", quick=True),
    Line("ecdsa_heap", "signature heap", "smallest heap of a signature check", "KB", 22, 18),
    Line("ecdsa_heap_plain", "signature heap", "smallest heap of one, plain key", "KB"),
    Line("ecdsa_mpy", "size", "ecdsa and what it imports", ".mpy bytes", 6000, 4500, quick=True),
    Line("device_mpy", "size", "what `deploy` brings of the package",
         ".mpy bytes", 57000 + 1024 * _LATER_KIB, 50000, quick=True),
    Line("poll_worst", "latency", "poll() in a transfer, the worst",
         "× floor block", 4, 3),
    Line("poll_wait", "latency", "the same by the clock, waits included", "× floor block"),
    Line("poll_median", "latency", "poll() in a transfer, the median", "× floor block"),
    Line("poll_connect", "latency", "poll() that connects and brings the first block", "× floor block"),
    Line("poll_verify", "latency", "poll() that checks the signature", "× floor block"),
    Line("poll_idle_worst", "latency", "poll() idle, the worst", "× floor block", 2, 1.5),
    Line("poll_idle_median", "latency", "poll() idle, the median", "× floor block"),
    Line("wire_https", "wire", "the file server's connection, image taken off", "bytes"),
    Line("wire_broker", "wire", "the broker's connection, from start to restart", "bytes"),
    Line("wire_connections", "wire", "connections for one update, until the restart", "connections"),
)  # fmt: skip

BY_NAME = {line.name: line for line in LINES}
GROUPS = tuple(dict.fromkeys(line.group for line in LINES))


@dataclass
class Result:
    """A measured value. value None: could not be measured here, note says why."""

    value: float | None
    note: str = ""


VERDICTS = {True: "holds", False: "MISSED", None: ""}


def holds(line: Line, value: float | None) -> bool | None:
    """Is the must reached? None where there is none, or nothing to compare."""
    if value is None or line.must is None:
        return None
    return value <= line.must


def text(value: float | None) -> str:
    """As it stands in table and picture."""
    if value is None:
        return ""
    if value != int(value) and value < 1000:
        return f"{value:.3f}" if value < 10 else f"{value:.2f}"
    return f"{value:,.0f}"
