"""Measures groups of lines, one after the other: each group is a function that gives values by line name."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tools.bench import cost, heap, loads, probe, room, sizes, verify, wire, work
from tools.bench.boardcode import ENDINGS
from tools.bench.lines import BY_NAME
from tools.bench.site import HEAP, Site

Values = dict[str, float]


def _size(folder: Path) -> Values:
    return dict(sizes.measure())


def _ram(site: Site) -> Values:
    values = {}
    for place, ending in ENDINGS.items():
        site.new_board(place)
        output = cost.run(
            site.board_code.command(HEAP, place, "imports"), site.board, site.board_code.environment
        )
        values[f"ram_import{ending}"] = float(output.split()[1])
    return values


def _on_site(measure: Callable[[Site], Values], folder: Path) -> Values:
    with Site(folder) as site:
        return measure(site)


GROUPS: dict[str, Callable[[Path], Values]] = {
    "size": _size,
    "ram": functools.partial(_on_site, _ram),
    "heap": functools.partial(_on_site, heap.measure),
    "loads": functools.partial(_on_site, loads.measure),
    "room": functools.partial(_on_site, room.measure),
    "sweep": functools.partial(_on_site, heap.sweep),
    "work": functools.partial(_on_site, work.measure),
    "memory": functools.partial(_on_site, probe.memory),
    "flash": functools.partial(_on_site, probe.flash),
    "verify": verify.measure,
    "signature heap": heap.measure_signature,
    "latency": functools.partial(_on_site, probe.latency),
    "wire": wire.measure,
}


def measure(names: Iterable[str], on_group: Callable[[str], None] = lambda group: None) -> Values:
    """The values of these lines and of all others in their groups. on_group: hears what begins."""
    values: Values = {}
    for group in dict.fromkeys(BY_NAME[name].group for name in names):
        on_group(group)
        with tempfile.TemporaryDirectory(prefix="ota-bench-") as folder:
            values |= GROUPS[group](Path(folder))
    return values
