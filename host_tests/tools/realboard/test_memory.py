"""What fits a board's memory: doctor's verdicts, and the table of device/ESP32.md."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import test_board

from device import board
from tools.bench import fits
from tools.programs import cache
from tools.realboard import checks_board, memory
from tools.realboard.examination import Facts
from tools.realboard.findings import OK, WARN, Finding

KIB = 1024
# As of a package that takes 50 KiB as files: beside an ESP32's first area the heap grows, beside a C3's not.
LINES = {
    "heap_update": 50, "heap_update_in_place": 38, "heap_update_frozen": 26,
    "esp32_room": 87_000, "esp32_room_in_place": 32_000, "esp32_room_frozen": 30_000,
    "esp32c3_room": 31_000,
}  # fmt: skip
S2, ESP32, C3 = 36 * KIB, 56 * KIB, 64 * KIB


def test_the_readme_says_what_an_update_takes() -> None:
    heap, beside = memory.heap_needed("files") / KIB, memory.idf_needed("files", ESP32)
    readme = (cache.REPO / "README.md").read_text(encoding="utf-8")
    assert beside and f"takes {heap:g} KiB of heap and {beside // 1000} KB for TLS" in readme


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_lines", lambda: LINES)


@pytest.mark.parametrize(
    ("machine", "area"),
    [
        ("Generic ESP32 module with ESP32", ESP32), ("ESP32C3 module with ESP32C3", C3),
        ("ESP32-C3FH4", C3), ("Board with ESP32-PICO-D4", ESP32), ("X with ESP32-S3-FN8", C3),
        ("ESP32-S2FN4R2", S2), ("Y with ESP32-C2", S2), ("Z with ESP32-C61", C3), ("", C3),
    ],
)  # fmt: skip
def test_the_first_area_is_known_by_the_chip(machine: str, area: int) -> None:
    assert memory.first_area(machine) == area


@pytest.mark.parametrize(
    ("form", "area", "needed"),
    [
        ("files", ESP32, 87_000),  # simulated
        ("files", C3, 31_000),
        ("ROMFS", C3, 32_000),  # no more than beside a smaller area that suffices
        ("ROMFS", S2, 30_000 + S2),  # it grows: what TLS takes, and as much as there was
        ("frozen", S2, 30_000),
        ("files", 28 * KIB, None),  # 58 KiB are more than twice as much
    ],
)
def test_what_must_be_free(figures: None, form: str, area: int, needed: int | None) -> None:
    assert memory.idf_needed(form, area) == needed


def heap(regions: list[list[int]], place: str = "/lib", machine: str = "ESP32", **more: int) -> Finding:
    facts = Facts(system={"machine": machine}, places=[place])
    facts.memory = {"used": 20_000, "free": 90_000, "radio": "", "regions": regions} | more
    return checks_board.heap(facts)


def region(free: int, largest: int = 0, size: int = 160_000) -> list[int]:
    return [size, free, largest or free, 0]


@pytest.mark.parametrize(
    ("regions", "place", "machine", "words"),
    [
        ([region(112_000)], "/lib", "ESP32", "both"),
        ([region(110_000)], "/lib", "ESP32", "one connection"),
        ([region(86_000)], "/lib", "ESP32", "too little"),
        ([region(86_000)], ".frozen", "ESP32", "both"),
        ([region(45_000)], "/rom/lib", "ESP32", "one connection"),
        ([region(45_000)], "", "ESP32-C3", "one connection"),
        ([region(60_000, 20_000)], "/lib", "ESP32-C3", "one connection"),  # in pieces
        ([region(30_000, 20_000), region(30_000, 17_000)], "/lib", "ESP32-C3", "both"),
        ([region(60_000, 16_000)], ".frozen", "ESP32", "too little"),
        ([region(60_000), region(4_000_000, size=4_194_304)], "/lib", "ESP32", "both"),  # it grows in PSRAM
        ([region(60_000), region(4_000_000, size=4_194_304)], "/lib", "ESP32-S2", "both"),
        ([region(20_000), region(4_000_000, size=4_194_304)], "/lib", "ESP32", "too little"),
    ],
)  # fmt: skip
def test_the_verdict(figures: None, regions: list, place: str, machine: str, words: str) -> None:
    finding = heap(regions, place, machine)
    assert words in finding.text and finding.level == (WARN if words == "too little" else OK)


def test_both_memories_are_told_and_not_what_gc_counts_twice(figures: None) -> None:
    text = heap([region(110_000)], free=150_000).text
    assert "begins with 56 KiB (20 in use), an update takes 58 (files); ESP-IDF has 110 KB" in text
    assert "150" not in text


def test_the_cure_is_what_is_left_to_do(figures: None) -> None:
    assert "FREEZING.md" in heap([region(20_000)]).cure
    assert "FREEZING.md" not in heap([region(20_000)], ".frozen").cure


@pytest.mark.parametrize(("free", "words"), [(96_000, "both"), (72_000, "one conn"), (68_000, "little")])
def test_a_port_with_one_heap(figures: None, free: int, words: str) -> None:
    """20,000 are in use, 59,392 are for the update, 30,000 and 23,200 for TLS."""
    text = heap([], free=free).text
    assert words in text and "58 KiB needed by an update (files)" in text


def test_the_table_says_what_is_known_only(figures: None) -> None:
    said = {(row.chip, row.form): str(row).split(" | ")[-1].strip(" |") for row in fits.rows()}
    assert said["ESP32", "files"] == "one at a time to fits" and said["ESP32", "frozen"] == "fits"
    assert {said[f"ESP32-{chip}", "files"] for chip in ("C3", "C6", "S2", "S3")} == {fits.ASK}
    assert said["Pico W", "files"] == "fits"


def test_the_page_has_the_table() -> None:
    assert fits.written() == fits.table()


def test_host_and_board_know_the_same_chips(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ESP32's heap begins with 56 KiB, and its chip id is 0; every other family is another for both."""
    for number, names in test_board.CHIPS.items():
        for name in names.split():
            machine = f"Some board with {name}"
            says = SimpleNamespace(implementation=SimpleNamespace(_machine=machine))
            monkeypatch.setattr(board, "sys", says)
            assert board.chip() == number
            assert (memory.first_area(machine) == ESP32) == (number == 0), name
