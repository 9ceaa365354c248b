"""What runs for each message and tick finds its rows by indices; a store of before becomes today's; time."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fleetworld import LONG_S, SILENCE_S, A, B, C, World

from device import errors
from tools.errors import ToolError
from tools.server import pushes, view
from tools.server.clock import CATCH_UP, Clock
from tools.server.schema import FORMATS
from tools.server.store import NAME, Store


class Statements:
    """`with Statements(store.db) as seen:` and then which ones read a whole table."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.texts: set[str] = set()

    def __enter__(self) -> Statements:
        self._db.set_trace_callback(self.texts.add)
        return self

    def __exit__(self, *_: object) -> None:
        self._db.set_trace_callback(None)

    def that_scan(self) -> list[str]:
        found = []
        for text in self.texts:
            if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)", text):
                plan = [row[3] for row in self._db.execute(f"EXPLAIN QUERY PLAN {text}")]
                found += [f"{step}: {text}" for step in plan if re.match(r"SCAN (?!CONSTANT|\d)", step)]
        return found


def live_a_day(world: World) -> None:
    """All that boards say, and the server does with it: several pushes, a brake, silence, recalls."""
    world.boot(A, "1.0.0")
    first = world.push(A, B, C, max_failures=9)
    world.tick()
    for mac, state in ((A, "idle"), (B, "waiting"), (C, "updating")):
        world.now += 7
        world.ask(mac, "1.0.0", state)
        world.ask(mac)
    for data in ({"progress": 10}, {"state": "verified"}, {"state": "cancelled"}, {"x": 1}):
        world.say(A, **data)
        world.tick(5)
    world.confirm(A, "1.0.1")
    world.say(A, errorCode=errors.ROLLED_BACK, version="1.0.1")
    world.say(B, errorCode=errors.CONNECTION_FAILED)
    world.tick(SILENCE_S + 1)
    world.boot(C, "1.0.0")
    world.tick(SILENCE_S + 1)
    pushes.cancel(world.store, first)
    world.tick()
    world.ask(C, "1.0.0", "waiting")
    world.say(C, errorCode=errors.BAD_MESSAGE)
    world.push(A, version="1.0.2", digest="e" * 64)
    world.tick()
    world.tick(LONG_S)


def test_nothing_that_runs_often_reads_a_whole_table(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.push(A)
    pushes.cancel(world.store)
    with Statements(world.store.db) as seen:
        live_a_day(world)
    of_a_push = "SCAN (chosen|c|.subquery-2.):"
    scans = [text for text in seen.that_scan() if not re.match(of_a_push, text)]
    assert len(seen.texts) > 100 and not scans, "\n".join(scans)


def test_a_table_that_lives_costs_the_same_for_any_fleet(tmp_path: Path) -> None:
    """Its rows are those that need a look, and nothing is counted."""
    world = World(tmp_path)
    macs = [f"{number:012X}" for number in range(3 * view.SHOWN)]
    pushes.add_devices(world.store, dict.fromkeys(macs, world.now + 3650 * 86400))
    world.push(*macs)
    world.tick()
    world.say(macs[-1], errorCode=errors.WRONG_BOARD)
    world.say(macs[-2], progress=50)
    with Statements(world.store.db) as seen:
        shown = view.push(world.store, 1)
    assert len(shown["devices"]) == view.SHOWN and shown["known"] == len(macs)
    assert {macs[-1], macs[-2]} <= {row["mac"] for row in shown["devices"]}
    assert shown["pushes"][0]["counts"] == {"downloading": 1, "offered": len(macs) - 2, "failed": 1}
    scans = [text for text in seen.that_scan() if not text.rstrip().endswith(f"LIMIT {view.SHOWN}")]
    assert not [text for text in scans if not text.startswith("SCAN servers")], "\n".join(scans)
    everything = view.fleet(world.store)
    assert len(everything["devices"]) == everything["known"] == len(macs) + 3


def tallies_are_right(store: Store) -> bool:
    counted = store.db.execute("SELECT push, state, COUNT(*) FROM targets GROUP BY push, state").fetchall()
    known = store.db.execute("SELECT COUNT(*) FROM devices").fetchone()[0]
    kept = store.db.execute("SELECT push, state, devices FROM tallies WHERE devices > 0").fetchall()
    return sorted(kept) == sorted([*counted, (0, "known", known)])


def test_what_is_tallied_is_what_is_there(tmp_path: Path) -> None:
    world = World(tmp_path)
    live_a_day(world)
    assert tallies_are_right(world.store)


def processor_s(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def test_making_the_offers_of_a_push_is_not_quadratic(tmp_path: Path) -> None:
    """Ten times as many devices take about ten times as long, in processor time."""
    spent = []
    for size in (500, 5000):
        world = World(tmp_path / str(size))
        macs = [f"{number:012X}" for number in range(size)]
        pushes.add_devices(world.store, dict.fromkeys(macs, world.now))

        def offer_to_all(world: World = world, macs: list[str] = macs) -> None:
            world.push(*macs)
            while world.tick():
                pass

        spent.append(processor_s(offer_to_all))
        assert len(world.sent) == size
    assert spent[1] < 40 * spent[0], spent


# A store of before


def old_store(folder: Path) -> sqlite3.Connection:
    """As the first version made it."""
    folder.mkdir()
    db = sqlite3.connect(folder / NAME, isolation_level=None)
    for statement in FORMATS[0]:
        db.execute(statement)
    db.execute("PRAGMA user_version = 1")
    return db


OLD_PUSHES = ("running", "done", "stopped", "cancelled")
# What each state with so many offers becomes, in a push of each kind.
OLD_STATES = {
    ("queued", 0): ("queued", "queued", "not offered", "cancelled"),
    ("queued", 2): ("retrying", "retrying", "offered", "not recallable"),
    ("offered", 1): ("offered", "offered", "offered", "not recallable"),
    ("downloading", 1): ("downloading", "downloading", "downloading", "not recallable"),
    ("confirmed", 1): ("confirmed",) * 4,
    ("failed", 5): ("failed",) * 4,
    ("silent", 1): ("silent", "silent", "silent", "not recallable"),
}


def test_a_store_of_the_first_version_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    db = old_store(folder)
    offer = json.dumps({"version": "1.0.1", "size": 1, "sig-sha256-ecdsa": "x"})
    wanted = {}
    for number, state in enumerate(OLD_PUSHES, 1):
        db.execute(
            "INSERT INTO pushes (digest, version, offer, max_failures, silence_s, state, made)"
            " VALUES ('d', '1.0.1', ?, 0, 60, ?, 5.0)",
            (offer, state),
        )
        for (old, offers), new in OLD_STATES.items():
            mac = f"{len(wanted):012X}"
            wanted[mac] = new[number - 1]
            db.execute("INSERT INTO devices (mac, version, gets, reports) VALUES (?, '1.0.0', 7, 3)", (mac,))
            db.execute(
                "INSERT INTO targets (mac, push, state, offers, due, changed) VALUES (?, ?, ?, ?, 1.0, 1.0)",
                (mac, number, old, offers),
            )
    db.execute("INSERT INTO tags VALUES ('lab', ?)", ("0" * 12,))
    db.execute("INSERT INTO reports VALUES (?, 3, 1.0, 'get', '{}')", ("0" * 12,))
    db.execute("INSERT INTO facts VALUES ('group', 'kept')")
    db.close()
    store = Store(folder)
    assert dict(store.db.execute("SELECT mac, state FROM targets")) == wanted
    assert tallies_are_right(store) and store.fact("group") == "kept"
    rows = view.devices(store, 10.0)
    assert rows[0]["tags"] == ["lab"] and {row["gets"] for row in rows} == {7}
    schema = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
    fresh = Store(tmp_path / "fresh", create=True)
    assert store.db.execute(schema).fetchall() == fresh.db.execute(schema).fetchall()
    store.close()
    assert tallies_are_right(Store(folder))  # opened once more: nothing is done twice


def test_an_upgrade_that_is_cut_leaves_the_old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "server"
    old_store(folder).close()
    broken = (FORMATS[0], [*FORMATS[1], "INSERT INTO nowhere VALUES (1)"])
    monkeypatch.setattr("tools.server.store.FORMATS", broken)
    with pytest.raises(ToolError, match="nowhere"):
        Store(folder)
    db = sqlite3.connect(folder / NAME)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert db.execute("SELECT 1 FROM sqlite_master WHERE name = 'tallies'").fetchone() is None


# Time


class Machine:
    """Its two clocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.up = 1_800_000_000.0, 50.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.up)

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.up += seconds


@pytest.mark.parametrize("jump_s", [3600, -3600, 1e9, -1e9])
def test_a_machines_clock_that_jumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    """Nobody is silent by that, nobody is muted, and a push that is made then is not late."""
    machine = Machine(monkeypatch)
    world = World(tmp_path)
    clock = Clock(world.store)
    before = world.now = clock.now()
    world.push(A)
    world.tick()
    machine.wall += jump_s
    world.now = clock.now()
    assert world.now == before
    world.tick()
    machine.wait(10)
    world.now = clock.now()
    assert abs(world.now - before - 10) <= 10 * CATCH_UP
    world.tick()
    assert world.state(A) == "offered"
    world.push(B, jitter_s=1)
    machine.wait(5)
    world.now = clock.now()
    assert world.tick() == [B] and view.is_served(world.store)
    world.boot(A, "1.0.0")
    machine.wait(5)
    world.now = clock.now()
    assert world.tick() == [A]
    machine.wait(SILENCE_S * 1.5)
    world.now = clock.now()
    world.tick()
    assert world.state(A) == "silent"
    assert Clock(world.store).now() >= world.now  # the next server
