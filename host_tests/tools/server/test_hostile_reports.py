"""What hostile devices say moves nothing, fills nothing, and reaches nobody's terminal as it is."""

from __future__ import annotations

import pytest
from fleetworld import A, B, World

from device import errors
from tools.server import pushes, view, wire
from tools.server.flood import BURST, Flood
from tools.server.store import REPORTS_KEPT

NONSENSE = (
    b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 4000, b'{"data": 1}', b'{"data": {}}', b"9" * 4096,
    b'{"data": {"progress": 101}}', b'{"data": {"progress": true}}', b'{"data": {"progress": 1e2}}',
    b'{"data": {"progress": NaN}}', b'{"data": {"errorCode": %d}}' % -errors.SHA256_ECDSA,
    b'{"data": {"errorCode": "%d"}}' % errors.SHA256_ECDSA,
    b'{"data": {"errorCode": -1' + b"0" * 4000 + b"}}", b'{"data": {"state": "confirmed"}}',
    b'{"data": {"progress": 5}}' + b" " * wire.LONGEST,
)  # fmt: skip


@pytest.mark.parametrize("payload", NONSENSE, ids=range(len(NONSENSE)))
@pytest.mark.parametrize("name", [wire.REPORT, wire.PROGRESS])
def test_nonsense_moves_nothing(world: World, name: str, payload: bytes) -> None:
    world.push(A)
    world.tick()
    world.fleet.take(A, name, payload, world.now)
    assert world.state(A) == "offered" and world.error(A) == ""
    assert wire.question(payload) is None


def test_texts_are_cut_and_cleaned_before_anybody_sees_them(world: World) -> None:
    hostile = "\x1b[2J\r\n\u202e" + "x" * 500
    world.say(A, wire.REPORT, type="INIT", version=hostile, build_time=hostile, slot=[1], extra="y" * 2000)
    world.say(A, errorCode=errors.ROLLED_BACK, cause=hostile, version={"a": 1})
    told = [text for _, text in world.log]
    row = next(row for row in view.devices(world.store, world.now) if row["mac"] == A)
    for text in (*told, row["version"], row["build_time"], row["error"]):
        assert text.isprintable() and len(text) < 150
    assert row["slot"] == ""


def test_what_is_kept_of_a_device_is_bounded(world: World) -> None:
    for number in range(3 * REPORTS_KEPT):
        world.say(A, progress=number % 100, filler="z" * 20_000)
        world.say(B, progress=1)
    query = "SELECT mac, COUNT(*), MAX(LENGTH(data)) FROM reports GROUP BY mac"
    counts = world.store.db.execute(query).fetchall()
    assert [(mac, count) for mac, count, _ in counts] == [(A, REPORTS_KEPT), (B, REPORTS_KEPT)]
    assert max(length for *_, length in counts) <= wire.LONGEST
    assert len(pushes.all_devices(world.store)) == 3


@pytest.mark.parametrize(
    "topic", ["wm_iot/a/ota/get", f"wm_iot/{A}", f"x/{A}/ota/get", f"wm_iot/{A.lower()}/ota/get"]
)
def test_topics_of_no_device(topic: str) -> None:
    assert wire.split_topic("wm_iot", topic) is None


def test_a_device_in_a_loop_is_heard_now_and_then() -> None:
    flood = Flood()
    heard = sum(not flood.overflows(A, 1000 + number / 1000) for number in range(10_000))
    assert BURST <= heard <= BURST + 10 * 10 + 1
    assert not flood.overflows(B, 1005) and not flood.overflows(A, 1020)
