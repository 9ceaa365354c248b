"""What a cancel and a new push make of offers that were made, at the boards too; the brake."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from fleetworld import LONG_S, SILENCE_S, A, B, C, World

from device import errors
from tools.__main__ import parse
from tools.commands import devices, push
from tools.errors import ToolError
from tools.server import pushes, states
from tools.server.recall import RECALL_S, RECALLS
from tools.server.targets import AFTER_BOOT_S, ON_ITS_WAY_S

SIGNATURE = "signature of 1.0.1"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Push 1 of 1.0.1 at a later time: A has it and knows cancel, B has it and said nothing, C has not."""
    world = World(tmp_path)
    world.boot(A, "1.0.0")
    world.push(A, B, C, at=int(world.now) + LONG_S)
    world.store.db.execute("UPDATE targets SET due = ? WHERE mac = ?", (world.now + 9 * LONG_S, C))
    assert world.tick() == [A, B]
    world.ask(A, "1.0.0", "waiting")
    return world


def states_of(world: World, number: int = 1) -> list[str]:
    return [world.state_in(number, mac) for mac in (A, B, C)]


def command(world: World, *arguments: object) -> int:
    return push.run(parse(push, "push", [str(world.store.folder), *map(str, arguments)]))


# Cancel


def test_cancel_reaches_boards_that_know_it_until_they_say_that_it_is_gone(world: World) -> None:
    assert pushes.cancel(world.store, 1) == [1]
    assert states_of(world) == ["cancelling", "not recallable", "cancelled"]
    assert world.tick() == [] and world.cancels(A) == [SIGNATURE] and world.cancels(B) == []
    assert world.tick(RECALL_S - 1) == [] and world.cancels(A) == [SIGNATURE]
    world.tick(2)
    assert world.cancels(A) == 2 * [SIGNATURE]
    world.say(A, state="cancelled")
    assert states_of(world)[0] == "cancelled"
    world.tick(LONG_S)
    assert len(world.cancels(A)) == 2 and pushes.are_recalled(world.store, [1])


def test_a_board_without_the_offer_shows_that_by_its_state(world: World) -> None:
    pushes.cancel(world.store, 1)
    world.ask(A, "1.0.0", "idle")  # from before the cancel: what is on its way may come yet
    assert states_of(world)[0] == "cancelling"
    world.tick()
    assert world.ask(A, "1.0.0", "idle") is None and states_of(world)[0] == "cancelled"


def test_a_silent_board_is_told_a_bounded_number_of_times_and_again_when_it_is_back(world: World) -> None:
    pushes.cancel(world.store, 1)
    for _ in range(3 * RECALLS):
        world.tick(LONG_S)
    assert len(world.cancels(A)) == RECALLS and states_of(world)[0] == "cancelling"
    world.boot(A, "1.0.0")
    world.ask(A, "1.0.0", "idle")
    assert states_of(world)[0] == "cancelled" and len(world.cancels(A)) <= RECALLS


def test_who_goes_on_nevertheless_is_told_again(world: World) -> None:
    pushes.cancel(world.store, 1)
    world.tick()
    for number, goes_on in enumerate(
        (
            lambda: world.ask(A, "1.0.0", "waiting"),
            lambda: world.boot(A, "1.0.0", state="waiting"),
            lambda: world.say(A, progress=30),
            lambda: world.ask(A, "1.0.0", "updating"),
        ),
        2,
    ):
        goes_on()
        assert world.tick() == [] and len(world.cancels(A)) == number
    world.say(A, state="cancelled")
    world.say(A, progress=40)  # not so
    world.tick()
    assert states_of(world)[0] == "cancelling" and len(world.cancels(A)) == 6


def test_what_comes_too_late_is_not_recallable_and_its_end_is_told(world: World) -> None:
    world.say(A, progress=100)
    pushes.cancel(world.store, 1)
    world.tick()
    world.say(A, state="verified")
    assert states_of(world)[0] == "not recallable"
    world.boot(A, "1.0.1", "UPDATE")
    assert states_of(world)[0] == "not recallable"
    world.say(A, state="confirmed", version="1.0.1")
    assert states_of(world)[0] == "confirmed"
    world.boot(A, "1.0.0")
    assert states_of(world)[0] == "rolled back"


def test_a_board_that_knows_cancel_no_more_is_believed(world: World) -> None:
    """It runs an older image again, whose answer to a cancel is that it is not an offer."""
    pushes.cancel(world.store, 1)
    world.tick()
    world.say(A, errorCode=errors.BAD_MESSAGE, field="version")
    assert states_of(world)[0] == "not recallable" and "does not know cancel" in world.error(A)


def test_a_board_that_says_later_that_it_knows_is_told_then(world: World) -> None:
    """What it was offered may lie at the broker still: its first word says nothing of that."""
    pushes.cancel(world.store, 1)
    world.boot(B, "1.0.0")
    assert states_of(world)[1] == "cancelling"
    world.tick()
    assert world.cancels(B) == [SIGNATURE]
    world.ask(B, "1.0.0", "idle")
    assert states_of(world)[1] == "cancelled"


def test_who_returns_after_a_cancel_gets_nothing(world: World) -> None:
    """By no way; and of a push that is done a silent device gets it only as long as that is not cancelled."""
    number = world.push(C, version="1.0.2", digest="e" * 64)
    world.boot(C, "1.0.0")
    assert world.tick() == [C]
    world.tick(SILENCE_S + 1)
    assert world.state(C) == "silent" and world.push_state(number) == states.DONE
    world.boot(C, "1.0.0")
    assert world.tick(AFTER_BOOT_S + 1) == [C]
    world.tick(SILENCE_S + 1)
    pushes.cancel(world.store, number)
    pushes.cancel(world.store, 1)
    for mac in (A, B, C):
        for state in ("idle", "waiting", "updating", ""):
            world.boot(mac, "1.0.0", state=state)
            assert world.ask(mac, "1.0.0", state) is None and world.tick(SILENCE_S + 1) == []
            assert world.ask(mac) is None
        world.say(mac, errorCode=errors.CONNECTION_FAILED)
        assert world.tick(LONG_S) == []


def test_cancel_by_number_leaves_the_others_and_without_one_ends_all_that_run(world: World) -> None:
    other = world.push(C, version="1.0.2", digest="e" * 64)
    pushes.cancel(world.store, 1)
    assert world.push_state(other) == states.RUNNING and world.tick() == [C]
    assert pushes.cancel(world.store) == [other] and pushes.cancel(world.store) == []
    assert pushes.cancel(world.store, 1) == [1]
    with pytest.raises(ToolError, match="no push 9"):
        pushes.cancel(world.store, 9)


def test_the_command_names_what_it_could_not_recall(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "ANSWER_S", 0)
    assert command(world, "--cancel", 1) == 1
    told = capsys.readouterr().out
    assert "cancelled push 1" in told and "1 board has not answered yet" in told
    assert f"not recallable, they may still install the image of push 1: {B}\n" in told
    world.tick()
    world.say(A, state="cancelled")
    world.ask(B, "1.0.0", "idle")
    assert command(world, "--cancel", 1) == 0 and "not recallable" not in capsys.readouterr().out
    assert command(world, "--cancel") == 0 and "no push runs" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command(world, "--cancel", "soon")
    assert "is not the number of a push" in capsys.readouterr().err


def test_devices_shows_what_waits_until_when_and_what_is_not_recallable(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")

    def table() -> list[str]:
        assert devices.run(parse(devices, "devices", [str(world.store.folder)])) == 0
        """A text for each device, also of what stands in a line of its own."""
        text = " ".join(capsys.readouterr().out.split())
        starts = [text.index(mac) for mac in (A, B, C)] + [len(text)]
        return [text[start:end] for start, end in itertools.pairwise(starts)]

    lines = table()
    assert "waiting 1.0.1 until 2027-" in lines[0] and "offered 1.0.1 until 2027-" in lines[1]
    assert "queued 1.0.1 until 2027-" in lines[2]
    pushes.cancel(world.store, 1)
    world.push(B, version="1.0.2", digest="e" * 64)
    lines = table()
    assert "cancelling 1.0.1" in lines[0] and "cancelled 1.0.1" in lines[2] and "until" not in lines[2]
    assert "queued 1.0.2" in lines[1] and "1.0.1 of push 1 not recallable" in lines[1]


# A new push


def test_a_new_push_replaces_what_has_not_begun(world: World) -> None:
    number = world.push(A, B, C, version="1.0.2", digest="e" * 64)
    assert states_of(world) == ["cancelling", "not recallable", "cancelled"]
    assert pushes.not_recallable(world.store, replaced_by=number) == [B]
    assert sorted(world.tick()) == [A, B, C]
    cancel, offer = (data for mac, data in world.sent[-4:] if mac == A)
    assert cancel == {"cancel": SIGNATURE} and offer["version"] == "1.0.2"  # in this order
    assert world.push_state(1) == states.DONE and not pushes.has_confirmed_all(world.store, 1)
    world.say(A, state="cancelled")
    assert states_of(world)[0] == "cancelled" and world.state(A) == "offered"
    world.ask(A, "1.0.0", "waiting")
    world.boot(A, "1.0.0", state="waiting")
    world.confirm(A, "1.0.2")
    assert world.state_in(number, A) == "confirmed" and states_of(world)[0] == "cancelled"
    assert world.cancels(A) == [SIGNATURE]


def test_the_same_image_at_another_time_is_not_recalled(world: World) -> None:
    """A board takes the latest, and a cancel would take that back."""
    number = world.push(A, B, C)
    assert states_of(world) == 3 * ["cancelled"]
    assert sorted(world.tick()) == [A, B, C] and world.cancels(A) == []
    pushes.cancel(world.store, number)
    world.push(A)
    assert world.tick() == [A] and world.state_in(number, A) == "cancelled" and world.cancels(A) == []


@pytest.mark.parametrize("said", [{"progress": 5}, {"state": "verified"}])
def test_what_has_begun_is_not_replaced_but_may_be_cancelled(world: World, said: dict) -> None:
    world.say(A, **said)
    with pytest.raises(ToolError, match=rf"{A} is (downloading|verified) 1.0.1 of push 1.*--cancel 1 first"):
        world.push(A, B, version="1.0.2", digest="e" * 64)
    assert states_of(world)[1] == "offered" and world.row(B)["push"] == 1
    pushes.cancel(world.store, 1)
    world.push(A, B, version="1.0.2", digest="e" * 64)
    assert world.tick() == [A, B]


def test_an_error_that_ended_it_leaves_nothing_to_recall(world: World) -> None:
    world.say(A, errorCode=errors.CONNECTION_FAILED)
    pushes.cancel(world.store, 1)
    assert states_of(world)[0] == "cancelled"
    world.tick(LONG_S)
    assert world.cancels(A) == []


# The brake


def test_never_more_in_the_air_than_may_fail(tmp_path: Path) -> None:
    """Whatever way an offer takes; who has confirmed makes room for the next."""
    world = World(tmp_path)
    macs = [f"{number:012X}" for number in range(20)]
    pushes.add_devices(world.store, dict.fromkeys(macs, world.now))
    number = world.push(*macs, max_failures=3)
    assert world.tick() == macs[:3] and world.tick(1) == []
    assert [world.ask(mac, "1.0.0", "idle") is not None for mac in macs[:5]] == [True] * 3 + [False] * 2
    world.confirm(macs[0], "1.0.1")
    assert world.ask(macs[9], "1.0.0", "idle") and world.tick() == []  # it was the next by asking
    world.say(macs[1], errorCode=errors.SHA256_ECDSA)
    world.say(macs[2], errorCode=errors.CONNECTION_FAILED)  # to be offered it again: may fail still
    world.confirm(macs[9], "1.0.1")
    assert len(world.tick()) == 1
    world.now += ON_ITS_WAY_S + 1
    for mac in macs:
        world.say(mac, errorCode=errors.SHA256_ECDSA)
    assert world.tick() == [] and world.push_state(number) == states.STOPPED
    lost = world.store.db.execute("SELECT COUNT(*) FROM targets WHERE state = 'failed'").fetchone()[0]
    assert lost == 3
