"""device.offers: images that failed their trials come back by the owner's word, or after a long time."""

import makeoffer
import signer
from check import patched, raises_code
from fakeagent import FakeAgent

from device import clock, errors, files, offers

PROVES = {errors.REFUSED_IMAGE: "test_refused_until_its_time_is_over"}

NOW = 1800000000
DAY = 86400
WEEK = 7 * DAY
TRIAL = {
    "version": "1.2.3", "size": 10000, "signature": "c2ln", "digest": "ab" * 32, "build_time": "",
    "attempts": 3,
}  # fmt: skip


def _at(unix_s):
    return patched(clock, "now", lambda: unix_s)


def _failed(unix_s=NOW, **changes):
    """An agent whose image has just failed its trials."""
    files.write("owner.der", signer.KEY)
    agent = FakeAgent(signing_key="owner.der", **changes)
    with _at(unix_s):
        offers.refuse(agent, TRIAL)
    return agent


def _check(agent, unix_s, offer=None, digest="ab" * 32):
    with _at(unix_s):
        return offers.check_refused(agent, offer or makeoffer.offer(), digest)


def _is_refused(*arguments):
    return raises_code(errors.REFUSED_IMAGE, _check, *arguments)


def _issued(unix_s, **changes):
    """An offer that says when it was issued, as the owner signs it."""
    own = makeoffer.signed(issued=unix_s, issued_signature=makeoffer.base64(makeoffer.SIGNATURE), **changes)
    proof = makeoffer.offer(signed_offer=own).own_signature.proof
    own["issued_signature"] = makeoffer.base64(signer.sign_digest(proof[1]))
    return makeoffer.offer(signed_offer=own)


def test_by_digest_or_by_signature():
    agent = _failed()
    _is_refused(agent, NOW)
    assert _check(agent, NOW, None, "cd" * 32) == 0
    assert _check(agent, NOW, None, None) == 0
    _is_refused(agent, NOW, makeoffer.offer(signature="c2ln" * 4), "ab" * 32)
    agent.state["refused"][0]["signature"] = makeoffer.fields()["sig-sha256-ecdsa"]
    _is_refused(agent, NOW, None, None)
    own = makeoffer.signed(sha256="ab" * 32)
    _is_refused(_failed(), NOW, makeoffer.offer(signed_offer=own), None)  # before it is downloaded


def test_refused_until_its_time_is_over():
    """Then it has one attempt."""
    agent = _failed(refuse_s=WEEK, trial_attempts=3)
    _is_refused(agent, NOW + WEEK - 1)
    assert _check(agent, NOW + WEEK) == 2


def test_each_time_for_twice_as_long():
    agent = _failed(refuse_s=WEEK)
    now = NOW
    for count in range(5):
        now += WEEK << count
        _is_refused(agent, now - 1)
        _check(agent, now)
        with _at(now):
            offers.refuse(agent, TRIAL)
        assert len(agent.state["refused"]) == 1


def test_never_where_that_is_configured():
    _is_refused(_failed(refuse_s=0), NOW + 1000 * WEEK)
    agent = _failed(refuse_s=WEEK)
    agent.config.refuse_s = 0
    _is_refused(agent, NOW + 1000 * WEEK)


def test_the_owners_word_that_came_later_brings_it_back():
    """With all its attempts, and once."""
    agent = _failed()
    _is_refused(agent, NOW, _issued(NOW))
    for digest in (None, "ab" * 32, "ab" * 32):  # each time that it is looked at, also after a power cut
        assert _check(agent, NOW + 60, _issued(NOW + 50), digest) == 0
    with _at(NOW + 90):
        offers.refuse(agent, TRIAL)
    _is_refused(agent, NOW + 99, _issued(NOW + 50))
    assert agent.state["refused"][0]["pause_s"] == 2 * agent.config.refuse_s


def test_only_the_owner_says_when_it_was_issued():
    """Before anything is downloaded; later it was looked at."""
    agent = _failed()
    own = makeoffer.signed(issued=NOW + 50, issued_signature=makeoffer.base64(makeoffer.SIGNATURE))
    _is_refused(agent, NOW + 60, makeoffer.offer(signed_offer=own), None)


def test_an_offer_of_the_future_brings_it_back_once_too():
    agent = _failed()
    for _ in range(2):
        _check(agent, NOW, _issued(NOW + WEEK))
    with _at(NOW):
        offers.refuse(agent, TRIAL)
    _is_refused(agent, NOW, _issued(NOW + WEEK))


def test_a_signed_offer_that_does_not_say_when_brings_nothing_back():
    agent = _failed()
    _is_refused(agent, NOW, makeoffer.offer(signed_offer=makeoffer.signed()))
    agent.state["refused"] = [makeoffer.refused("ab" * 32)]
    _is_refused(agent, NOW, makeoffer.offer(signed_offer=makeoffer.signed()))


def test_of_an_image_that_failed_at_no_known_time_the_time_begins_now():
    for at in (0, NOW + 2 * DAY, NOW + 3000 * DAY):  # images of before; a clock that was wrong
        agent = FakeAgent(refuse_s=WEEK)
        agent.state["refused"] = [makeoffer.refused("ab" * 32, at=at)]
        _is_refused(agent, NOW)
        assert agent.state["refused"][0]["at"] == NOW
        _is_refused(agent, NOW + WEEK - 1)
        assert _check(agent, NOW + WEEK) == 2
    agent.state["refused"] = [makeoffer.refused("ab" * 32)]
    assert _check(agent, NOW, _issued(NOW - WEEK)) == 0, "the owner knows better"


def test_what_an_image_of_before_has_refused_has_failed_before_the_next_one_is_confirmed():
    """Its list has no times: an offer that the owner has signed before that is not the later word."""
    agent = _failed()
    agent.state["refused"].append(makeoffer.refused("cd" * 32))
    with _at(NOW + DAY):
        offers.date_refused(agent.state)
    assert [entry["at"] for entry in agent.state["refused"]] == [NOW, NOW + DAY]
    _is_refused(agent, NOW + DAY, _issued(NOW + DAY - 1, sha256="cd" * 32), "cd" * 32)
    assert _check(agent, NOW + DAY + 60, _issued(NOW + DAY + 50, sha256="cd" * 32), "cd" * 32) == 0


def test_a_clock_that_is_a_little_behind_changes_nothing():
    agent = _failed(refuse_s=WEEK)
    _is_refused(agent, NOW - DAY)
    assert agent.state["refused"][0]["at"] == NOW


def test_the_list_is_bounded_and_keeps_the_newest():
    agent = FakeAgent()
    for number in range(20):
        offers.refuse(agent, dict(TRIAL, digest="%02d" % number))
    entries = agent.state["refused"]
    assert [entry["digest"] for entry in entries] == ["%02d" % number for number in range(12, 20)]
    assert sorted(entries[0]) == ["at", "digest", "pause_s", "signature", "size", "version"]
