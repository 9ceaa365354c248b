"""Confirmed is what a board says behind its confirmation, nothing else; what was lost heals by a `get`."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleetworld import LONG_S, SILENCE_S, A, B, World

from device import errors
from tools.server import pushes, states, view
from tools.server.targets import AFTER_BOOT_S, OFFERS, ON_ITS_WAY_S


@pytest.fixture
def world(tmp_path: Path) -> World:
    """1.0.1 is offered to A, which runs 1.0.0."""
    world = World(tmp_path)
    world.boot(A, "1.0.0")
    assert world.push(A) == 1 and world.tick() == [A]
    return world


def is_good(world: World) -> bool:
    """What the exit code of `push` says."""
    world.tick()
    return pushes.is_over(world.store, 1) and pushes.has_confirmed_all(world.store, 1)


def begin_trial(world: World) -> None:
    world.say(A, progress=100)
    world.say(A, state="verified")
    world.boot(A, "1.0.1", "UPDATE")
    assert world.state(A) == "trial" and not is_good(world)


# The board's word


def test_an_image_on_trial_is_not_confirmed_until_the_board_says_so(world: World) -> None:
    begin_trial(world)
    world.say(A, state="confirmed", version="1.0.0")
    world.say(A, state="confirmed")
    assert not is_good(world)
    world.say(A, state="confirmed", version="1.0.1")
    assert world.state(A) == "confirmed" and is_good(world)


@pytest.mark.parametrize("state", ["idle", "waiting", "updating", ""])
@pytest.mark.parametrize("way", ["get", "INIT"])
def test_where_that_word_was_lost_a_later_one_with_the_version_will_do(
    world: World, state: str, way: str
) -> None:
    begin_trial(world)
    if way == "INIT":
        world.boot(A, "1.0.1", state=state)
    elif state:
        world.ask(A, "1.0.1", state)
    else:
        world.ask(A)  # a board of before: names no version
        assert world.state(A) == "trial"
        return
    assert world.state(A) == "confirmed" and is_good(world)


@pytest.mark.parametrize("state", ["trial", "something new"])
def test_on_trial_no_question_confirms(world: World, state: str) -> None:
    begin_trial(world)
    world.ask(A, "1.0.1", state)
    world.boot(A, "1.0.1", state=state)
    assert world.state(A) == "trial" and not is_good(world)


def test_update_alone_confirms_nothing_from_any_sender(world: World) -> None:
    """A board of before says no more, until it connects again; one that never does is silent in the end."""
    world.boot(A, "1.0.1", "UPDATE", state="")
    assert world.state(A) == "trial" and not is_good(world)
    for _ in range(4):
        world.now += SILENCE_S / 3
        world.ask(A)
        world.tick()
    assert world.state(A) == "silent" and pushes.is_over(world.store, 1) and not is_good(world)
    world.boot(A, "1.0.1", state="")
    assert world.state(A) == "confirmed"


def test_a_version_that_is_on_trial_is_not_one_that_runs_already(world: World) -> None:
    world.boot(B, "1.0.1", "UPDATE")
    number = world.push(B)
    assert world.state_in(number, B) == "queued" and world.tick() == [B]


def test_same_version_is_believed_of_a_board_that_has_said_what_it_runs(world: World) -> None:
    world.say(A, errorCode=errors.SAME_VERSION)  # of some other offer: it runs 1.0.0
    assert world.state(A) == "retrying"
    begin_trial(world)
    world.say(A, errorCode=errors.SAME_VERSION)
    assert world.state(A) != "confirmed"


# It did not stay


def rolled_back_in_words(world: World) -> None:
    world.boot(A, "1.0.0", state="trial")
    assert world.state(A) in ("trial", "rolled back")  # there may be another boot of the new one
    world.say(A, errorCode=errors.ROLLED_BACK, version="1.0.1", cause="watchdog")


@pytest.mark.parametrize(
    "end",
    [
        rolled_back_in_words,
        lambda world: world.say(A, errorCode=errors.ROLLED_BACK, errorMsg="Rolled back"),
        lambda world: world.boot(A, "1.0.0"),
        lambda world: world.boot(A, "1.0.0", state=""),
        lambda world: world.ask(A, "1.0.0", "idle"),
    ],
    ids=["in words", "code alone", "INIT", "INIT of before", "get"],
)
@pytest.mark.parametrize("was_confirmed", [False, True])
def test_another_version_afterwards_opens_the_verdict_again(world: World, end, was_confirmed: bool) -> None:
    begin_trial(world)
    if was_confirmed:
        world.say(A, state="confirmed", version="1.0.1")
        assert is_good(world)
    world.tick()
    end(world)
    assert world.state(A) == "rolled back" and not is_good(world)
    assert view.push_of(world.store, 1)["counts"] == {"rolled back": 1}
    assert pushes.is_over(world.store, 1)
    assert world.tick(LONG_S) == [] and world.ask(A, "1.0.0", "idle") is None
    world.boot(A, "1.0.1")  # by its next boot, or by cable
    assert world.state(A) == "confirmed"


def test_a_roll_back_counts_for_the_brake(tmp_path: Path) -> None:
    world = World(tmp_path)
    number = world.push(A, B, max_failures=1)
    assert world.tick() == [A]
    world.boot(A, "1.0.1", "UPDATE")
    world.boot(A, "1.0.0")
    assert world.tick() == [] and world.push_state(number) == states.STOPPED
    assert world.state(B) == "not offered" and world.ask(B, "1.0.0", "idle") is None


def test_what_was_only_believed_is_offered_when_it_turns_out_wrong(world: World) -> None:
    """It had 1.0.1 when it last spoke, but was flashed by cable since."""
    world.boot(B, "1.0.1")
    number = world.push(B)
    assert world.state_in(number, B) == "confirmed"
    world.boot(B, "1.0.0")
    assert world.tick(AFTER_BOOT_S + 1) == [B]


def test_a_later_version_by_another_way_is_no_roll_back(world: World) -> None:
    world.confirm(A, "1.0.1")
    world.boot(A, "1.2.0")
    assert world.state(A) == "confirmed" and is_good(world)


def test_a_roll_back_of_another_push_is_charged_to_that_one(world: World) -> None:
    begin_trial(world)
    pushes.cancel(world.store, 1)
    number = world.push(A, version="1.0.2", digest="e" * 64)
    assert world.tick() == [A]
    world.say(A, errorCode=errors.ROLLED_BACK, version="1.0.1", cause="watchdog")
    assert world.state_in(1, A) == "rolled back" and world.state_in(number, A) == "offered"


# What was lost


@pytest.mark.parametrize(
    ("said", "shown"), [("waiting", "waiting"), ("updating", "downloading"), ("trial", "trial")]
)
@pytest.mark.parametrize("way", ["get", "INIT"])
def test_the_state_beside_a_question_is_shown(world: World, said: str, shown: str, way: str) -> None:
    world.ask(A, "1.0.0", said) if way == "get" else world.boot(A, "1.0.0", state=said)
    assert world.state(A) == shown and world.tick(AFTER_BOOT_S + 1) == []
    world.tick()
    assert world.row(A)["board_state"] == said and world.row(A)["slot"] == "ota_0"


def test_an_offer_that_nobody_works_on_is_made_again_and_is_a_try(world: World) -> None:
    assert world.ask(A, "1.0.0", "idle") and world.row(A)["offers"] == 1  # it may still be on its way
    for tries in range(2, OFFERS + 1):
        world.now += ON_ITS_WAY_S + 1
        assert world.ask(A, "1.0.0", "idle") and world.row(A)["offers"] == tries
    world.now += ON_ITS_WAY_S + 1
    assert world.ask(A, "1.0.0", "idle") is None
    assert world.state(A) == "failed" and "in vain" in world.error(A)


def test_a_board_that_waits_for_its_time_is_no_try_and_not_silent(world: World) -> None:
    at = int(world.now) + 10 * SILENCE_S
    world.push(B, at=at)
    world.tick()
    for _ in range(3 * OFFERS):
        world.now += SILENCE_S / 2
        world.ask(B, "1.0.0", "waiting")
        assert world.tick() == []
    assert world.row(B)["offers"] == 1 and world.state(B) == "waiting"
    assert world.row(B)["waits_until"] == at


def test_an_error_that_was_lost_is_made_good_by_the_next_question(world: World) -> None:
    world.say(A, progress=40)
    world.now += 1
    assert world.ask(A, "1.0.0", "idle") and world.row(A)["offers"] == 2


def test_the_table_learns_version_and_slot_by_questions_alone(world: World) -> None:
    world.ask(B, "1.3.0", "idle")
    world.tick()
    row = world.row(B)
    assert (row["version"], row["slot"], row["gets"]) == ("1.3.0", "ota_0", 1)
    world.ask(B)  # says nothing: nothing is forgotten
    world.tick()
    assert world.row(B)["version"] == "1.3.0"


NOON_MS = 1_800_000_000_000


def test_reports_that_come_late_are_history(world: World) -> None:
    """A server was away, a board has updated meanwhile: its question comes before its reports."""
    world.board_ms = NOON_MS + 60_000
    world.ask(A, "1.0.1", "idle")
    for late_ms, report in enumerate(
        (
            lambda: world.boot(A, "1.0.0"),
            lambda: world.say(A, progress=100),
            lambda: world.boot(A, "1.0.1", "UPDATE"),
            lambda: world.boot(A, "1.0.0", state="trial"),
            lambda: world.boot(A, "1.0.1", "UPDATE"),
            lambda: world.say(A, state="confirmed", version="1.0.1"),
        )
    ):
        world.board_ms = NOON_MS + late_ms
        report()
        assert world.state(A) == "confirmed" and is_good(world)
    world.board_ms = NOON_MS + 70_000
    world.boot(A, "1.0.0")
    assert world.state(A) == "rolled back"


def test_a_question_that_comes_late_is_not_about_now(world: World) -> None:
    world.board_ms = NOON_MS
    world.confirm(A, "1.0.1")
    world.board_ms -= 1000
    world.ask(A, "1.0.0", "idle")
    assert world.state(A) == "confirmed"
    world.tick()
    assert world.row(A)["version"] == "1.0.1"


@pytest.mark.parametrize("time", [NOON_MS - 2 * 3_600_000, NOON_MS // 1000 - 7200, 5000, 0, -1, 10**30])
def test_a_board_whose_clock_was_wrong_is_believed(world: World, time: int) -> None:
    world.board_ms = NOON_MS
    world.confirm(A, "1.0.1")
    world.board_ms = time
    world.boot(A, "1.0.0")
    assert world.state(A) == "rolled back"


# Errors of something else


def test_a_bad_message_without_an_offer_in_the_air_is_charged_to_no_push(world: World) -> None:
    world.push(B)
    world.say(B, errorCode=errors.BAD_MESSAGE, field="cancel")
    assert world.state(B) == "queued"
    for percent in (10, 20):
        world.say(A, progress=percent)
        world.say(A, errorCode=errors.BAD_MESSAGE, field="cancel")
        assert world.state(A) == "downloading"
    world.confirm(A, "1.0.1")
    world.say(A, errorCode=errors.BAD_MESSAGE)
    assert world.state(A) == "confirmed"


def test_another_offer_that_is_refused_in_the_middle_is_not_its_end(world: World) -> None:
    world.say(A, progress=10)
    world.say(A, errorCode=errors.ALREADY_RUNNING)
    assert world.state(A) == "downloading"


# Silence


def test_nobody_is_silent_for_what_a_server_could_not_hear(world: World) -> None:
    world.say(A, progress=10)
    world.now += LONG_S
    world.leader.take_over(world.now)
    world.tick(SILENCE_S - 1)
    assert world.state(A) == "downloading"
    world.tick(2)
    assert world.state(A) == "silent"
