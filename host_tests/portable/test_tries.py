"""device.tries: the pause before the same offer doubles, over reboots, and never lasts for ever."""

import os

import makeoffer
from check import patched, raises_code
from fakeagent import FakeAgent

from device import board, clock, errors, offers, tries

PROVES = {errors.SHA256_ECDSA: "test_a_bad_image_is_refused_for_a_while_that_doubles"}

FILE = "failures.json"
NOW = 1800000000


class Clock:
    """Context: device.clock.now() is what `at` says, and the board has a second slot."""

    def __enter__(self):
        self.at = NOW
        self._patches = [patched(clock, "now", lambda: self.at), patched(board, "spare", lambda: None)]
        for patch in self._patches:
            patch.__enter__()
        return self

    def __exit__(self, *arguments):
        for patch in self._patches:
            patch.__exit__(*arguments)


def _new():
    try:
        os.remove(FILE)
    except OSError:
        pass
    return _rebooted()


def _rebooted():
    agent = FakeAgent(FILE)
    agent.has_rollback = True
    return agent


def _take(offer):
    """Offered to a board that has just started; raises what it says, else the offer waits."""
    agent = _rebooted()
    offers.take(agent, "update", 0, offer)
    assert agent.offer is offer and agent.state["waiting"] == offer.fields
    return agent


def _pause_left_s(offer):
    return tries.pause_left_s(_rebooted(), offer)


def _begin(offer, position):
    agent = _rebooted()
    agent.offer = offer
    tries.begin(agent, position)
    return agent


def _fail(code, offer):
    tries.fail(_begin(offer, 0), errors.OtaError(code))


def test_nothing_failed_yet():
    with Clock():
        _new()
        assert _pause_left_s(makeoffer.offer()) == 0
        assert _take(makeoffer.offer()).due == NOW


def test_a_bad_image_is_refused_for_a_while_that_doubles():
    with Clock() as now:
        _new()
        offer = makeoffer.offer()
        for pause_s in (60, 120, 240, 480):
            _fail(errors.SHA256_ECDSA, offer)
            raises_code(errors.SHA256_ECDSA, _take, offer)
            now.at += pause_s - 1
            raises_code(errors.SHA256_ECDSA, _take, offer)
            now.at += 1
            _take(offer)


def test_another_offer_is_not_held_responsible():
    with Clock():
        _new()
        _fail(errors.SHA256_ECDSA, makeoffer.offer())
        _take(makeoffer.offer(size=9999))
        assert _pause_left_s(makeoffer.offer(https_url="https://files/other")) == 0


def test_the_network_may_fail_once():
    with Clock():
        _new()
        offer = makeoffer.offer()
        for pause_s in (0, 60, 120):
            _fail(errors.TIMEOUT, offer)
            assert _pause_left_s(offer) == pause_s
        assert _take(offer).due == NOW + 120, "it waits; it is not refused"


def test_failing_in_another_way_counts_anew():
    with Clock():
        _new()
        offer = makeoffer.offer()
        for code in (errors.TIMEOUT, errors.TIMEOUT, errors.CONNECTION_FAILED):
            _fail(code, offer)
        assert _pause_left_s(offer) == 0


def test_starts_without_progress_are_slowed_down():
    """A board that is reset in the middle of each try never comes to fail()."""
    with Clock():
        _new()
        offer = makeoffer.offer()
        pauses = []
        for _ in range(8):
            _begin(offer, 4096)
            pauses.append(_pause_left_s(offer))
        assert pauses == [0, 0, 0, 0, 60, 120, 240, 480]
        _begin(offer, 8192)
        assert _pause_left_s(offer) == 0


def test_no_pause_is_longer_than_a_day():
    with Clock() as now:
        _new()
        offer = makeoffer.offer()
        for _ in range(60):
            now.at += 86400
            _fail(errors.CRC_ERROR, offer)
        assert _pause_left_s(offer) == 86400
        now.at -= 10 * 86400  # the clock had been wrong: such a record is not obeyed
        assert _pause_left_s(offer) == 0


def test_a_new_token_in_the_url_is_no_other_offer():
    with Clock():
        _new()
        _fail(errors.SHA256_ECDSA, makeoffer.offer(https_url="https://files/x?token=1"))
        again = makeoffer.offer(https_url="https://files/x?token=2")
        raises_code(errors.SHA256_ECDSA, _take, again)


def test_a_record_without_its_offer_is_nobodys():
    with Clock():
        _new()
        _fail(errors.SHA256_ECDSA, makeoffer.offer())
        agent = _rebooted()
        del agent.state["failed"]["offer"]
        agent.save_state()
        _take(makeoffer.offer())


def test_many_bad_images_of_any_offers_make_all_of_them_wait():
    """Two offers that take turns, or a new address each time."""
    with Clock() as now:
        _new()
        for number in range(30):
            offer = makeoffer.offer(https_url="https://files/%d" % number)
            pause_s = _pause_left_s(offer)
            assert pause_s == (0 if number < 9 else min(60 << number - 9, 3600)), (number, pause_s)
            now.at += pause_s
            _fail(errors.SHA256_ECDSA, offer)
        now.at += 3600
        assert _pause_left_s(makeoffer.offer()) == 0
        _fail(errors.TIMEOUT, makeoffer.offer())  # no fault of an image
        assert _pause_left_s(makeoffer.offer(https_url="https://files/x")) == 0


def test_a_rest_beyond_its_longest_is_a_clock_that_was_wrong():
    with Clock() as now:
        _new()
        for number in range(12):
            _fail(errors.SHA256_ECDSA, makeoffer.offer(https_url="https://files/%d" % number))
        other = makeoffer.offer()
        assert _pause_left_s(other)
        now.at -= 86400
        assert _pause_left_s(other) == 0
