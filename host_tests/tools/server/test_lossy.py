"""A board, the server, and a network that loses and repeats between them: what the server says is true.

The oracle is the board itself: it knows what it runs, whether that is confirmed, and what waits.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fleetworld import A, World

from device import errors
from tools.server import pushes, states

OLD, NEW, SIGNATURE = "1.0.0", "1.0.1", "signature of 1.0.1"
RUNS = 25
STEPS = 120


class Board:
    """With the ways of device/: what it does is chosen by chance, what it says of it is true."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.runs, self.state = OLD, "idle"
        self.refuses = False  # the image has failed its trials
        self.is_lossy = True
        self.inbox: list[dict] = []

    def is_heard(self) -> int:
        """How often one of its messages arrives."""
        return self.chance.choice([0, 1, 1, 1, 2]) if self.is_lossy else 1

    def say(self, **data) -> None:
        for _ in range(self.is_heard()):
            self.world.say(A, **data)

    def connect(self) -> None:
        kind = "UPDATE" if self.state == "trial" and self.runs == NEW else "INIT"
        for _ in range(self.is_heard()):
            self.world.boot(A, self.runs, kind, self.state)
        if kind == "UPDATE" and self.chance.random() < 0.3:
            self.runs = OLD  # it died before it was confirmed
        elif kind == "UPDATE":
            self.state = "idle"
        elif self.state == "trial":
            self.end_trial()
        if self.state == "idle" and self.runs == NEW:
            self.say(state="confirmed", version=NEW)

    def end_trial(self) -> None:
        """The old image finds the trial of the new one on record."""
        if self.chance.random() < 0.4:
            self.runs = NEW  # another boot of it
        else:
            self.state, self.refuses = "idle", True
            self.say(errorCode=errors.ROLLED_BACK, version=NEW, cause="watchdog")

    def read(self) -> None:
        for data in self.inbox:
            if data.get("cancel") == SIGNATURE:
                if self.state in ("waiting", "updating"):
                    self.state = "idle"
                    self.say(state="cancelled")
            elif "cancel" not in data and self.state in ("idle", "waiting"):
                self.take(data)
        self.inbox.clear()

    def take(self, offer: dict) -> None:
        code = errors.SAME_VERSION if self.runs == offer["version"] else errors.REFUSED_IMAGE
        if self.runs == offer["version"] or self.refuses:
            self.say(errorCode=code)
        else:
            self.state = "waiting"

    def ask(self) -> None:
        if self.state not in ("idle", "waiting"):
            return
        for _ in range(self.is_heard()):
            answer = self.world.ask(A, self.runs, self.state)
            if answer and self.is_heard() and answer["version"] != self.runs:
                self.inbox.append(answer)

    def work(self) -> None:
        if self.state == "waiting":
            self.state = "updating"
            self.say(progress=self.chance.randrange(100))
        elif self.state == "updating":
            if self.chance.random() < 0.3:
                self.state = "idle"
                self.say(errorCode=errors.TIMEOUT)
            else:
                self.say(progress=100)
                self.say(state="verified")
                self.state, self.runs = "trial", self.chance.choice([NEW, OLD])  # OLD: it never came so far
                self.connect()
        elif self.state == "trial":
            self.connect()

    def step(self) -> None:
        self.chance.choice([self.connect, self.read, self.read, self.ask, self.work])()
        self.hear()

    def hear(self) -> None:
        """What the server sends, by QoS 1: in order, and at times lost with the broker."""
        self.world.tick(self.chance.choice([0, 0.25, 1, 7]) if self.is_lossy else 7)
        for mac, data in self.world.sent:
            assert mac == A
            self.inbox += self.is_heard() * [data]
        self.world.sent.clear()

    def check(self, number: int) -> None:
        """Never is said to be confirmed what is not."""
        state = self.world.state_in(number, A)
        assert state != "confirmed" or (self.runs == NEW and self.state != "trial"), self.world.log[-10:]


@pytest.mark.parametrize("is_cancelled", [False, True])
@pytest.mark.parametrize("seed", range(RUNS))
def test_the_verdict_is_true_whatever_is_lost(tmp_path: Path, seed: int, is_cancelled: bool) -> None:
    world = World(tmp_path)
    board = Board(world, random.Random(seed))
    world.boot(A, OLD)
    number = world.push(A)
    for step in range(STEPS):
        board.step()
        board.check(number)
        if is_cancelled and step == 5 + seed % 20:
            pushes.cancel(world.store, number)
    board.is_lossy = False
    for _ in range(STEPS):  # all is heard from now on
        for act in (board.connect, board.read, board.work, board.ask, board.hear):
            act()
            board.check(number)
    state = world.state_in(number, A)
    assert pushes.is_over(world.store, number), state
    assert (state == "confirmed") == (board.runs == NEW) == pushes.has_confirmed_all(world.store, number)
    assert state in states.SETTLED, world.log[-20:]
    if is_cancelled and state == "cancelled":
        assert board.state == "idle" and board.runs == OLD and not board.inbox
