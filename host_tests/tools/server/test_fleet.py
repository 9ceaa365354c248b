"""The server's book-keeping, without network: what a push makes of what devices say, and do not say."""

from __future__ import annotations

import pytest
from fleetworld import LONG_S, SILENCE_S, A, B, C, World

from device import errors
from device.tries import IMAGE_FAULTS
from tools.server import pushes, states, view
from tools.server.targets import AFTER_BOOT_S, OFFERS, REBOOT_AFTER_S, RETRY_S


def test_an_update_from_the_first_offer_to_the_last_word(world: World) -> None:
    number = world.push(A)
    seen = [world.state(A)]
    assert world.tick() == [A] and world.tick() == []
    seen.append(world.state(A))
    for percent in (0, 40, 100):
        world.say(A, progress=percent)
        seen.append(world.state(A))
    world.say(A, state="verified")
    seen.append(world.state(A))
    world.tick(REBOOT_AFTER_S + 1)
    seen.append(world.state(A))
    assert world.push_state(number) == states.RUNNING and not pushes.is_over(world.store, number)
    world.boot(A, "1.0.1", "UPDATE")
    seen.append(world.state(A))
    world.say(A, state="confirmed", version="1.0.1")
    world.tick()
    seen.append(world.state(A))
    assert seen == ["queued", "offered", *["downloading"] * 3, "verified", "rebooting", "trial", "confirmed"]
    assert world.push_state(number) == states.DONE
    assert pushes.is_over(world.store, number) and pushes.has_confirmed_all(world.store, number)


def test_a_question_is_answered_again_and_again_and_that_is_no_new_try(world: World) -> None:
    assert world.ask(A) is None
    world.push(A)
    answers = [world.ask(A) for _ in range(3 * OFFERS)]
    assert answers == [answers[0]] * (3 * OFFERS) and answers[0]["version"] == "1.0.1"
    assert world.tick() == []  # it has been offered
    world.confirm(A, "1.0.1")
    assert world.ask(A) == answers[0]  # to the board: nothing newer
    world.boot(A, "1.0.0")  # flashed by cable: that is for its owner to decide
    assert world.ask(A) is None


@pytest.mark.parametrize("code", sorted(states.FINAL_CODES))
def test_what_cannot_be_mended_is_not_offered_again(world: World, code: int) -> None:
    number = world.push(A)
    world.tick()
    world.say(A, errorCode=code, errorMsg="whatever")
    assert world.state(A) == "failed" and str(code) in world.error(A)
    assert world.ask(A) is None and world.tick(LONG_S) == []
    world.boot(A, "1.0.0")
    assert world.ask(A) is None and world.tick(LONG_S) == []
    assert world.push_state(number) == states.DONE and not pushes.has_confirmed_all(world.store, number)


def test_the_devices_own_list_of_bad_images_is_among_them() -> None:
    assert set(IMAGE_FAULTS) <= states.FINAL_CODES


def test_an_error_that_may_pass_is_tried_again_but_not_for_ever(world: World) -> None:
    world.push(A)
    offers = 0
    for _ in range(3 * OFFERS):
        offers += len(world.tick())
        world.say(A, errorCode=errors.CONNECTION_FAILED)
        assert world.tick(RETRY_S - 1) == []
        world.now += RETRY_S * 2**OFFERS
    assert offers == OFFERS and world.state(A) == "failed" and "Connection failed" in world.error(A)


def test_tries_are_counted_for_each_push(world: World) -> None:
    """By all ways, pushed, asked for and after boots, and the next push of the same image begins anew."""
    for _ in range(2):
        world.push(A)
        offers = 0
        for _ in range(3 * OFFERS):
            offers += len(world.tick()) + (world.ask(A) is not None)
            world.say(A, errorCode=errors.CONNECTION_FAILED)
            world.now += RETRY_S * 2**OFFERS
        assert offers == 2 * OFFERS and world.state(A) == "failed"  # each also asked for


def test_a_device_that_boots_again_and_again_is_given_up(world: World) -> None:
    world.push(A)
    offers = len(world.tick())
    for _ in range(3 * OFFERS):
        world.boot(A, "1.0.0")
        offers += len(world.tick(AFTER_BOOT_S + 1))
    assert offers == OFFERS and world.state(A) == "failed" and "in vain" in world.error(A)
    world.confirm(A, "1.0.1")
    assert world.state(A) == "confirmed"  # what it says counts more than what we believed


def test_after_a_boot_a_board_that_goes_on_by_itself_is_left_alone(world: World) -> None:
    world.push(A)
    world.tick()
    world.say(A, progress=50)
    world.boot(A, "1.0.0")
    assert world.tick() == []
    world.say(A, progress=60)
    assert world.tick(AFTER_BOOT_S + 1) == [] and world.state(A) == "downloading"


def test_rolled_back_says_why(world: World) -> None:
    world.push(A)
    world.tick()
    world.say(A, progress=100)
    world.boot(A, "1.0.0")
    world.say(A, errorCode=errors.ROLLED_BACK, errorMsg="Rolled back", version="1.0.1", cause="watchdog")
    world.say(A, errorCode=errors.REFUSED_IMAGE, errorMsg="Image failed before")
    assert world.state(A) == "rolled back"
    assert world.error(A) == f"Rolled back ({errors.ROLLED_BACK}): 1.0.1 watchdog"
    assert world.tick(LONG_S) == [] and world.ask(A) is None


def test_a_silent_device_is_offered_it_when_it_is_back(world: World) -> None:
    number = world.push(A, B)
    assert world.tick() == [A, B]
    world.confirm(B, "1.0.1")
    world.tick(SILENCE_S - 1)
    assert world.state(A) == "offered"
    world.tick(2)
    assert world.state(A) == "silent" and world.push_state(number) == states.DONE
    assert world.tick(LONG_S) == []
    world.boot(A, "1.0.0")
    assert world.tick(AFTER_BOOT_S + 1) == [A]
    world.confirm(A, "1.0.1")
    assert world.state(A) == "confirmed"


def test_who_asks_is_not_silent(world: World) -> None:
    world.push(A)
    world.tick()
    for _ in range(4):
        world.now += SILENCE_S / 2
        assert world.ask(A)
        world.fleet.flush("one", world.now)
        world.tick()
    assert world.state(A) == "offered"


def test_max_failures_stops_it(world: World) -> None:
    """A failure and a silence: the third device keeps what it has."""
    number = world.push(A, B, C, max_failures=2)
    world.store.db.execute("UPDATE targets SET due = due + ? WHERE mac = ?", (LONG_S, C))
    assert world.tick() == [A, B]
    world.say(A, errorCode=errors.SHA256_ECDSA)
    world.tick()
    assert world.push_state(number) == states.RUNNING
    world.tick(SILENCE_S + 1)
    assert world.push_state(number) == states.STOPPED
    assert world.tick(2 * LONG_S) == [] and world.ask(C) is None and world.state(C) == view.NOT_OFFERED
    summary = view.summary(view.push_of(world.store, number))
    assert "stopped (2 failed); 1 not offered, 1 failed, 1 silent" in summary


def test_a_stopped_push_waits_for_who_is_at_it(world: World) -> None:
    number = world.push(A, B, max_failures=2)
    world.tick()
    world.say(B, progress=10)
    world.store.db.execute("UPDATE pushes SET max_failures = 1")
    world.say(A, errorCode=errors.SHA256_ECDSA)
    world.tick()
    assert world.push_state(number) == states.STOPPED and not pushes.is_over(world.store, number)
    world.say(B, errorCode=errors.CONNECTION_FAILED)  # would be tried again, if the push went on
    assert world.state(B) == "failed" and pushes.is_over(world.store, number)


def test_cancel_takes_back_what_was_not_offered(world: World) -> None:
    number = world.push(A)
    assert pushes.cancel(world.store) == [number] and pushes.cancel(world.store) == []
    assert world.tick() == [] and world.ask(A) is None and pushes.is_over(world.store, number)
    assert not pushes.has_confirmed_all(world.store, number)


def test_at_goes_with_the_offer_and_is_no_silence(world: World) -> None:
    at = int(world.now) + 10 * SILENCE_S
    world.push(A, at=at)
    assert world.tick() == [A] and world.ask(A)["starts_at"] == at
    for _ in range(3 * OFFERS):  # boots while it waits are not tries
        world.boot(A, "1.0.0")
        assert world.tick(AFTER_BOOT_S + 1) == [A]
    world.now = at
    world.tick()
    assert world.state(A) == "offered"
    world.tick(SILENCE_S + 1)
    assert world.state(A) == "silent"


def test_jitter_spreads_them(world: World) -> None:
    world.push(A, B, C, jitter_s=1000)
    due = [row[0] for row in world.store.db.execute("SELECT due - changed FROM targets")]
    assert all(0 <= later <= 1000 for later in due) and len(set(due)) > 1
    number = world.store.db.execute("SELECT max(id) FROM pushes").fetchone()[0]
    pushes.cancel(world.store)
    assert number == world.push(A, B, C, jitter_s=1000, at=5000) - 1
    query = "SELECT starts_at FROM targets WHERE push > ?"
    starts = [row[0] for row in world.store.db.execute(query, (number,))]
    assert all(5000 <= start <= 6000 for start in starts) and len(set(starts)) > 1


def test_what_runs_already_counts_as_confirmed(world: World) -> None:
    world.boot(A, "1.0.1")
    number = world.push(A)
    assert world.tick() == [] and world.push_state(number) == states.DONE
    assert pushes.has_confirmed_all(world.store, number)


def test_errors_that_are_not_of_the_update_leave_it_alone(world: World) -> None:
    world.say(A, errorCode=errors.NO_CLOCK)
    world.push(A)
    world.say(A, errorCode=errors.SHA256_ECDSA)  # of an offer before ours
    assert world.state(A) == "queued"
    world.tick()
    world.say(A, errorCode=errors.NO_CLOCK)
    assert world.state(A) == "offered"


def test_the_next_leader_repeats_what_may_not_have_been_sent(world: World) -> None:
    world.push(A, B)
    assert world.tick() == [A, B]
    world.say(B, progress=10)
    for _ in range(3 * OFFERS):  # that servers die is no fault of the device
        world.leader.take_over(world.now)
        assert world.tick() == [A]
    assert world.state(B) == "downloading"
