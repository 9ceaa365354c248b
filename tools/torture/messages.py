"""Cases of the content of messages: sizes, offers cut and bent, delays, clocks, tick counters."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from device import errors
from tools.torture.trace import Trace

Case = dict[str, Any]
NOW = 1_800_000_000  # virtualtime.START_S
YEARS_30 = 946_080_000
MINUTE_MS = 60_000
DAY = 86_400
_RIGHT = {"content": "right"}
_NO_TIMES = (-1, 1.5, "1", False)


def sizes(trace: Trace) -> Iterator[Case]:
    """What the offer announces, what Content-Length says, how long the file really is, and what its header
    says (W80x), each wrong in turn, the first two in all pairs; at the next try all is right."""
    size = trace.image_size
    numbers = [0, 1, 63, 64, size - 1, size, size + 1, 32768, 32769]
    values = [*numbers, 2**31, 2**32 - 1, -1, "text", "absent"]
    for announced, length in itertools.product(values, values):
        headers = {"Content-Length": None if length == "absent" else length}
        yield {
            "id": f"{announced}-{length}", "broker_script": [{"size": announced}],
            "files_script": [{"headers": headers}],
        }  # fmt: skip
    for real in numbers:
        yield {"id": f"real-{real}", "files_script": [{"content": ["size", real]}, _RIGHT]}
    for said in [*numbers, 2**31, 2**32 - 1] if trace.mode == "w80x" else []:
        yield {"id": f"header-{said}", "files_script": [{"content": ["header", said]}, _RIGHT]}


def offers(trace: Trace) -> Iterator[Case]:
    """Every prefix of a payload, every field bent; then the right one."""
    yield from ({"id": f"prefix-{n}", "broker_script": [{"prefix": n}]} for n in range(0, 500))
    fields = ("version", "https_url", "size", "sig-sha256-ecdsa", "upgrade_delay")
    bent = ("absent", None, True, 1.5, -1, [], {}, "", "x" * 3000, 2**70, "1\u00000")
    for field, value in itertools.product(fields, bent):
        yield {"id": f"{field}-{json.dumps(value)[:20]}", "broker_script": [{field: value}]}
    for name, text in (("64k", {"fill": 65536}), ("deep", {"deep": 40}), ("not-json", {"raw": "x"}),
                       ("twice", {"twice": True}), ("nul", {"raw": "\u0000" * 40})):  # fmt: skip
        yield {"id": name, "broker_script": [text]}
    yield {"id": "duplicates", "repeats": 4}
    yield {"id": "retained", "retained": True}
    yield {"id": "polled", "poll": True, "config": {"check_interval_s": 60}, "pushes": 0}


def delays(trace: Trace) -> Iterator[Case]:
    """upgrade_delay × power cut while waiting."""
    for value in (0, 1, NOW - DAY, NOW + 600, (NOW + 600) * 1000, NOW + 1800, *_NO_TIMES):
        for cut in (False, True):
            steps = [[1, 30, "cut", None]] if cut else []
            case: Case = {"id": f"{value!r}-{'cut' if cut else 'on'}", "steps": steps}
            is_wrong = any(value is wrong for wrong in _NO_TIMES)  # 0 == False
            if is_wrong:
                case |= {"broker_script": [{"upgrade_delay": value}], "codes": [errors.BAD_MESSAGE]}
            yield case | {"offer": {"upgrade_delay": 0 if is_wrong else value}}


def clocks(trace: Trace) -> Iterator[Case]:
    """What the board's clock says at first, what NTP says, and how long certificates are good; ten
    minutes later NTP is right and the certificates are good."""
    starts = {"1970": 0, "before-build": NOW - 400 * DAY, "now": NOW, "30-years": NOW + YEARS_30}
    answers = {"right": "right", "dead": "dead", "lying": 9 * 365 * DAY, "zero": "zero"}
    validities = {
        "valid": [NOW - DAY, NOW + 3 * YEARS_30], "expired": [NOW - DAY, NOW - 1],
        "not-yet": [NOW + DAY, NOW + YEARS_30],
    }  # fmt: skip
    for (start, clock), (answer, ntp), (state, validity) in itertools.product(
        starts.items(), answers.items(), validities.items()
    ):
        yield {
            "id": f"{start}-{answer}-{state}", "clock": clock, "ntp": ntp, "certificate": validity,
            "heals_ms": 10 * MINUTE_MS,
        }  # fmt: skip


def ticks(trace: Trace) -> Iterator[Case]:
    """The tick counter wraps in each state of the update, and of the first boot after it."""
    yield from ({"id": str(ms), "wrap_ms": ms} for ms in range(0, 1200, 12))
