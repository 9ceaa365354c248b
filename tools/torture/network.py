"""Cases of links and servers: cut, stalled, trickling; every answer to a resumed request; broker and
Wi-Fi away at every step."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from tools.torture.fixture import BLOCK
from tools.torture.trace import Trace

Case = dict[str, Any]
BODY = "X-Answer-To: nobody"
HOUR_MS = 3_600_000
WIFI_MS = (100, 10_000, 600_000)
AWAY_MS = (1_000, 30_000, 600_000)


def links(trace: Trace) -> Iterator[Case]:
    for kind, place in itertools.product(("cut", "reset", "stall", "trickle"), _places(trace)):
        trouble = {"peer": "files", "nth": 0, "kind": kind, "at": place}
        yield {
            "id": f"{kind}-{place}", "net": [trouble], "max_repeated": BLOCK, "limit_ms": HOUR_MS,
        }  # fmt: skip
    for kind in ("refuse", "dns"):
        for peer in ("files", "broker"):
            yield {"id": f"{kind}-{peer}", "net": [{"peer": peer, "nth": 0, "kind": kind, "at": 0}]}
    for kind in ("cut", "reset", "stall", "trickle", "garbage"):
        for place in range(0, trace.greeting, 3):
            trouble = {"peer": "broker", "nth": 0, "kind": kind, "at": place}
            yield {"id": f"broker-{kind}-{place}", "net": [trouble]}


def _places(trace: Trace) -> list[int]:
    """Bytes of the answer after which it breaks: before and in the head, round each block, at the end."""
    head, end = trace.head_size, trace.head_size + trace.image_size
    places = {0, 1, 9, head // 2, head - 2, head - 1, head, head + 1, end - 1}
    for border in range(head + BLOCK, end, BLOCK):
        places |= {border - 1, border, border + 1}
    return sorted(places)


def answers(trace: Trace) -> Iterator[Case]:
    """What a server may say to the request that is to go on at an offset."""
    size = trace.image_size
    for offset in (0, size // 2 // BLOCK * BLOCK, size // BLOCK * BLOCK):
        first = {"peer": "files", "nth": 0, "kind": "cut", "at": trace.head_size + offset + 5}
        for name, answer in _answers(offset, size):
            script = [{}, *answer] if offset else answer
            yield {
                "id": f"{name}-{offset}", "net": [first] if offset else [],
                "files_script": script,
            }  # fmt: skip


def _answers(offset: int, size: int) -> list[tuple[str, list[dict[str, Any]]]]:
    redirect = {"status": 302, "headers": {"Location": "/new.img"}}
    plain = {
        name: [{"status": name, "headers": {}}]
        for name in (204, 301, 401, 403, 404, 416, 429, 500, 503)
    }
    wrong_start = {"headers": {"Content-Range": f"bytes {offset + 1}-{size - 1}/{size}"}}
    wrong_total = {"headers": {"Content-Range": f"bytes {offset}-{size - 1}/{size + 1}"}}
    return [
        ("right", [{}]), ("whole", [{"whole": True}]), ("start", [wrong_start]), ("total", [wrong_total]),
        ("loop", [redirect] * 9), ("garbage", [{"raw": "SSH-2.0-x\r\n\r\n"}]), ("none", [{"raw": ""}]),
        ("later", [{"status": 429, "headers": {"Retry-After": "100"}}]),
        *((str(name), answer) for name, answer in plain.items()),
    ]  # fmt: skip


def changed_files(trace: Trace) -> Iterator[Case]:
    """The file behind the URL becomes another one between two requests, and later the right one again."""
    for variant, tag, block in itertools.product(
        ("other", "shorter", "longer", "right"), ('"2"', None), (1, 6)
    ):
        at = trace.head_size + block * BLOCK + 5
        script = [
            {"content": "other" if variant == "right" else "right", "etag": tag and '"1"'},
            {"content": variant, "etag": tag},
            {"content": "right", "etag": tag and '"3"'},
        ]
        yield {
            "id": f"{variant}-{'tag' if tag else 'none'}-{block}", "files_script": script,
            "net": [{"peer": "files", "nth": 0, "kind": "cut", "at": at}],
            "no_codes": variant == "right",
        }  # fmt: skip


def peers_away(trace: Trace) -> Iterator[Case]:
    """Broker or file server gone (connections reset, none accepted) or frozen, from each step on; or one
    connection half-open, while new ones work."""
    for boot, steps in enumerate(trace.steps[:2], 1):
        for step, action, peer, ms in itertools.product(
            range(steps), ("down", "freeze"), ("broker", "files"), AWAY_MS
        ):
            yield {
                "id": f"{boot}-{step}-{action}-{peer}-{ms}",
                "steps": [[boot, step, action, [peer, ms]]],
            }
        for step in range(steps):
            yield {"id": f"{boot}-{step}-mute", "steps": [[boot, step, "mute", "broker"]]}


def idle(trace: Trace) -> Iterator[Case]:
    """The broker's end of the connection dies silently while the board waits for an offer."""
    for step in range(40, 80, 5):
        yield {"id": str(step), "steps": [[1, step, "mute", "broker"]], "push_after_ms": 600_000}


def wifi(trace: Trace) -> Iterator[Case]:
    for boot, steps in enumerate(trace.steps[:2], 1):
        for step, ms in itertools.product(range(steps), WIFI_MS):
            yield {"id": f"{boot}-{step}-{ms}", "steps": [[boot, step, "wifi", ms]]}
