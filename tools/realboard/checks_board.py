"""Checks of the board itself: MicroPython, its modules, slots, file system, memory, clock, package."""

from __future__ import annotations

import time

from tools.realboard import memory
from tools.realboard.examination import Facts
from tools.realboard.findings import Finding, bad, ok, skip, warn

OLDEST = (1, 24)
KIB = 1024
FILES_NEEDED = 32 * KIB  # for records that are replaced as a whole
PACKAGE = 192 * KIB  # its files, in whole blocks
NO_PARTITIONS = "no esp32.Partition on this port"
CLOCK_LIMIT_S = 600
NO_ROOM_FROZEN = "take a board with PSRAM"
NO_ROOM = f"freeze the package into the firmware (device/FREEZING.md), or {NO_ROOM_FROZEN}"
FIRST_YEAR = 2026  # a clock before it was never set
OTA_VARIANT = (
    "flash an OTA variant of MicroPython: ESP32_GENERIC's download page has one (Support for OTA), which"
    " `esptool erase-flash` and `esptool write-flash 0x1000 FILE.bin` bring to the board (its files are"
    " lost); for other chips build one, see device/FREEZING.md"
)


def micropython(facts: Facts) -> Finding:
    version = tuple(facts.system["version"])
    shown = f"{'.'.join(map(str, version))}, {facts.system['machine'] or facts.system['platform']}"
    if version < OLDEST:
        return bad(shown, f"flash MicroPython {OLDEST[0]}.{OLDEST[1]} or newer")
    if facts.system["platform"] != "esp32":
        return warn(shown, "this port needs a board module of its own: see device/PORTING.md")
    return ok(shown)


def modules(facts: Facts) -> Finding:
    """deflate is not needed; it is named because images may come compressed one day."""
    have = [name for name, present in facts.modules.items() if present]
    needed = [name for name in ("ntptime", "hashlib") if name not in have]
    if not {"tls", "ssl"} & set(have):
        needed.append("tls")
    if needed:
        return bad(f"no {', '.join(needed)}", "flash an official build of MicroPython, which has them")
    return ok(", ".join(have))


def umqtt(facts: Facts) -> Finding:
    if facts.modules["umqtt.simple"]:
        return ok("present")
    return bad("not there", "`python3 -m tools deploy` puts it on the board")


def slots(facts: Facts) -> Finding:
    if facts.partitions is None:
        return skip(NO_PARTITIONS)
    found = ", ".join(f"{label} {size // KIB} KiB" for label, size, _ in facts.partitions["slots"])
    if not facts.partitions["spare"]:
        return bad(f"only {found}: no second slot to update into", OTA_VARIANT)
    return ok(f"{found}; running {facts.partitions['running']}, next {facts.partitions['spare']}")


def rollback(facts: Facts) -> Finding:
    """The boot loader itself cannot be asked."""
    if facts.partitions is None:
        return skip(NO_PARTITIONS)
    if not facts.partitions["spare"]:
        return skip("needs a second slot")
    if not facts.partitions["has_record"]:
        return bad("no otadata partition: the boot loader cannot return to an old image", OTA_VARIANT)
    if not facts.partitions["can_confirm"]:
        return bad("MicroPython cannot confirm an image", "flash MicroPython 1.24 or newer")
    return ok("otadata is there (MicroPython's own boot loaders roll back)")


def encryption(facts: Facts) -> Finding:
    encrypted = [label for label, _, flag in (facts.partitions or {}).get("slots", []) if flag]
    if encrypted:
        cure = "not supported (device/FAULTS.md, Limits): use another board"
        return bad(f"{', '.join(encrypted)} encrypted", cure)
    return ok("off") if facts.partitions else skip(NO_PARTITIONS)


def file_system(facts: Facts) -> Finding:
    free = facts.system["files_free"]
    needed = FILES_NEEDED if facts.places else FILES_NEEDED + PACKAGE
    if free < needed:
        cure = f"delete files with `mpremote fs rm`: {needed // KIB} KiB are needed"
        return bad(f"{free // KIB} KiB free", cure)
    return ok(f"{free // KIB} KiB free")


def heap(facts: Facts) -> Finding:
    """Both memories of an ESP32: MicroPython's heap, and ESP-IDF's, from which heap and TLS take."""
    has, form = facts.memory, _form(facts)
    if has["radio"]:
        return warn(f"Wi-Fi does not come on: {has['radio']}", "take the power away for a moment, try again")
    if not has["regions"]:
        size = has["used"] + has["free"]
        needed = _kib(memory.heap_needed(form))
        shown = f"{size // KIB} KiB, {needed} KiB needed by an update ({form}), and TLS"
        return _room(shown, memory.connections_in_heap(form, size), form)
    area = memory.first_area(facts.system["machine"])
    free = sum(region[1] for region in has["regions"] if region[0] < memory.PSRAM)
    shown = (
        f"begins with {area // KIB} KiB ({_kib(has['used'])} in use), an update takes"
        f" {_kib(memory.heap_needed(form))} ({form}); ESP-IDF has {free // 1000} KB for TLS"
    )
    return _room(shown, memory.connections(form, area, has["regions"]), form)


def _room(shown: str, connections: int, form: str) -> Finding:
    if connections == memory.CONNECTIONS:
        return ok(f"{shown}: room for both connections")
    if connections:
        return ok(f"{shown}: room for one connection at a time, the broker's waits during a download")
    return warn(f"{shown}: too little", NO_ROOM_FROZEN if form == "frozen" else NO_ROOM)


def _form(facts: Facts) -> str:
    """Of the package that is imported; without one, of the one that `deploy` brings."""
    first = facts.places[0] if facts.places else ""
    if first == ".frozen":
        return "frozen"
    return "ROMFS" if first.startswith("/rom") else "files"


def _kib(size: int) -> str:
    return f"{size / KIB:.0f}"


def clock(facts: Facts) -> Finding:
    """Of a board that was never told the time, nothing else can be expected."""
    seconds = facts.system["clock"]
    moment = time.gmtime(seconds)
    epoch = f"epoch {facts.system['epoch']}"
    if moment.tm_year < FIRST_YEAR:
        return ok(f"not set yet, the agent asks NTP; {epoch}")
    off = seconds - facts.host_time
    if abs(off) > CLOCK_LIMIT_S:
        return bad(
            f"{time.strftime('%Y-%m-%d %H:%M', moment)} UTC, {abs(off) / 3600:.1f} h "
            f"{'ahead of' if off > 0 else 'behind'} this computer; {epoch}",
            "take the power away for a moment, and let only the agent set the clock (`mpremote rtc --set`"
            " writes local time); if this computer is wrong, correct it",
        )
    return ok(f"{time.strftime('%Y-%m-%d %H:%M', moment)} UTC; {epoch}")


def package(facts: Facts) -> Finding:
    if not facts.places:
        return bad("the package `device` is not on the board", "run `python3 -m tools deploy`")
    first = facts.places[0] or "/"
    if len(facts.places) == 1:
        return ok(f"found in {first}")
    others = ", ".join(place or "/" for place in facts.places[1:])
    if facts.is_built_in and not facts.places[0]:
        return warn(
            f"/device shadows the one in {others}: updates of the firmware will not change the agent",
            "`mpremote fs rm -r :device`",
        )
    return warn(f"found in {first}, which comes first, and in {others}", "remove the one that is not wanted")


def start(facts: Facts) -> Finding:
    """A frozen main.py comes before that of the file system, but cannot be read."""
    if facts.main_py is None and facts.is_built_in:
        return ok("no main.py in the file system: the firmware's runs, if it has one")
    if facts.main_py is None:
        return bad("no main.py", "run `python3 -m tools deploy`")
    if "device" not in facts.main_py:
        return warn("main.py does not name the package", "start the agent in it (README, On your own board)")
    return ok("main.py starts the agent")


VITAL = (micropython, slots, encryption)  # where one is bad, nothing else can help
CHECKS = (
    ("MicroPython", micropython),
    ("modules", modules),
    ("umqtt.simple", umqtt),
    ("slots", slots),
    ("rollback", rollback),
    ("flash encryption", encryption),
    ("file system", file_system),
    ("heap", heap),
    ("clock", clock),
    ("package", package),
    ("start", start),
)
