"""device.offers: which offers are taken, and what becomes of the one that waits."""

import makeoffer
from check import patched, raises_code
from fakeagent import FakeAgent

from device import board, clock, errors, offer_signature, offers, tries

PROVES = {
    errors.BAD_MESSAGE: "test_an_offer_from_a_host_that_is_not_allowed",
    errors.SAME_VERSION: "test_no_offer_below_the_running_version_or_the_floor_is_taken",
    errors.DOWNGRADE: "test_no_offer_below_the_running_version_or_the_floor_is_taken",
    errors.ALREADY_RUNNING: "test_during_an_update_only_its_own_offer_is_welcome",
    errors.REFUSED_IMAGE: "test_an_image_that_failed_its_trials_is_refused",
}

NOW = 1800000000
FILE = "taken.json"
SIGNATURE = makeoffer.fields()["sig-sha256-ecdsa"]


KEPT = makeoffer.fields(upgrade_delay=NOW + 60, http_url=makeoffer.ABSENT)  # https_url is the one used


def _agent(running="1.0.0", path=None, **changes):
    agent = FakeAgent(path, **changes)
    agent.running = {"version": running, "build_time": ""}
    agent.has_rollback = True
    return agent


def _take(agent, name="update", sequence=0, **changes):
    """Offered at NOW to a board with two slots. Returns the offer."""
    offer = makeoffer.offer(**changes)
    with patched(clock, "now", lambda: NOW), patched(board, "spare", lambda: None):
        offers.take(agent, name, sequence, offer)
    return offer


def test_an_offer_that_is_taken_waits_on_record_until_its_time():
    agent = _agent(path=FILE)
    offer = _take(agent, upgrade_delay=NOW + 60)
    assert agent.offer is offer and agent.due == NOW + 60
    assert FakeAgent(FILE).state["waiting"] == offer.fields == KEPT
    agent.save_fails, agent.offer = True, None
    assert _take(agent) is agent.offer is not None, "one that cannot be recorded is taken nevertheless"
    assert agent.report.codes() == [errors.FLASH]


def test_an_offer_from_a_host_that_is_not_allowed():
    """Nor one that has waited since before it was forbidden."""
    agent = _agent(file_hosts=["mirror", "files"])
    _take(agent)
    agent = _agent(file_hosts=["mirror"])
    for field, other in (("https_url", "http_url"), ("http_url", "https_url")):
        error = raises_code(errors.BAD_MESSAGE, lambda: _take(agent, **{other: makeoffer.ABSENT}))  # noqa: B023
        assert error.facts == (("field", field),)
    agent.state["waiting"] = makeoffer.fields()
    offers.restore(agent)
    assert agent.offer is agent.state["waiting"] is None
    assert agent.report.codes() == [errors.BAD_MESSAGE]


def test_no_offer_below_the_running_version_or_the_floor_is_taken():
    for min_version, running, lowest, below in (
        (None, "1.2.3", "1.2.3", "1.2.2"), ("1.2.4", "1.2.3", "1.2.4", "1.2.3"),
        ("1.2.3", "1.10.0", "1.10.0", "1.9.9"), ("1.2.3", "nonsense", "1.2.3", "1.2.2"),
        (None, "", "0.0.0", None), ("nonsense", "1.0.0", "1.0.0", "0.9.9"), (7, "1.0.0", "1.0.0", "0.9.9"),
    ):  # fmt: skip
        agent = _agent(running)
        agent.state["floor"] = min_version
        if below:
            code = errors.SAME_VERSION if below == running else errors.DOWNGRADE
            _is_refused(code, agent, below)
        if lowest == running:
            _is_refused(errors.SAME_VERSION, agent, lowest)
        else:
            assert _take(agent, version=lowest) is agent.offer


def _is_refused(code, agent, version):
    error = raises_code(code, lambda: _take(agent, version=version))
    assert version in error.detail and agent.offer is None


def test_an_image_that_failed_its_trials_is_refused():
    agent = _agent()
    agent.state["refused"] = [makeoffer.refused("ab"), makeoffer.refused("cd", SIGNATURE)]
    raises_code(errors.REFUSED_IMAGE, _take, agent)
    agent.state["refused"].pop()
    _take(agent)


def test_a_board_that_could_not_go_back_takes_nothing_unless_it_may():
    for require, has, is_taken in ((True, False, False), (True, True, True), (False, False, True)):
        agent = _agent(require_rollback=require)
        agent.has_rollback = has
        if is_taken:
            _take(agent)
        else:
            raises_code(errors.NO_SLOT, _take, agent)
        assert (agent.offer is not None) is is_taken


def test_without_a_second_slot_nothing_is_taken():
    agent = _agent()

    def none():
        raise errors.OtaError(errors.NO_SLOT, "no second slot")

    with patched(board, "spare", none):
        raises_code(errors.NO_SLOT, offers.take, agent, "update", 0, makeoffer.offer())
    assert agent.offer is None


def test_an_offer_without_its_own_signature_where_one_is_required():
    agent = _agent(require_signed_offer=True)
    raises_code(errors.OFFER_SIGNATURE, _take, agent)
    checked = []
    with patched(offer_signature, "check", lambda agent, offer: checked.append(offer)):
        offer = _take(agent, signed_offer=makeoffer.signed())
    assert checked == [offer]


def test_a_response_is_taken_once_and_only_if_somebody_asked():
    agent = _agent()
    _take(agent, "response", 0)
    assert agent.offer is None, "nobody asked"
    for sequence in (None, "0", True, 1.0):
        error = raises_code(errors.BAD_MESSAGE, _take, agent, "response", sequence)
        assert error.facts == (("field", "msg_sequence"),)
    agent.report.asked = 5
    _take(agent, "response", 4)
    assert agent.offer is None and agent.report.asked == 5, "an answer to something else"
    _take(agent, "response", 5, version="1.0.0")
    assert agent.offer is None and agent.report.asked is None, "nothing newer"
    agent.report.asked = 6
    assert _take(agent, "response", 6) is agent.offer
    _take(agent, "response", 6, version="1.2.4")
    assert agent.offer.version == "1.2.3", "answered already"


def test_an_update_may_have_any_sequence():
    for sequence in (None, "7", 1795590551000, -1, 1.5, []):
        agent = _agent()
        assert _take(agent, "update", sequence) is agent.offer


def test_an_image_without_version_locks_nobody_out():
    """What it is called was the word of the broker's account: 99.99.99 would be the last version for ever."""
    agent = _agent("99.99.99")
    agent.running["unversioned"] = True
    agent.state["floor"] = "1.2.2"
    _is_refused(errors.DOWNGRADE, agent, "1.2.1")
    _is_refused(errors.SAME_VERSION, agent, "99.99.99")
    assert _take(agent) is agent.offer


def test_another_time_or_address_of_a_waiting_offer_is_news():
    agent = _agent()
    first = _take(agent)
    saves = agent.saves
    _take(agent)
    assert agent.offer is first and agent.saves == saves
    later = _take(agent, upgrade_delay=NOW + 5)
    assert agent.offer is later and agent.due == NOW + 5
    moved = _take(agent, https_url="https://files/new")
    assert agent.offer is moved


def test_during_an_update_only_its_own_offer_is_welcome():
    agent = _agent()
    first = _take(agent)
    agent.is_updating, agent.progressed_ms = True, clock.time.ticks_ms()
    _take(agent, upgrade_delay=NOW + 5, https_url="https://files/new")
    assert agent.offer is first
    other = makeoffer.offer(signature="b3RoZXIhISEh")
    raises_code(errors.ALREADY_RUNNING, offers.take, agent, "update", 0, other)
    assert agent.offer is first


def test_what_was_waiting_is_taken_up_again():
    _take(_agent(path=FILE), upgrade_delay=NOW + 60)
    agent = _agent(path=FILE)
    offers.restore(agent)
    assert agent.offer.fields == KEPT and agent.due == NOW + 60
    same = agent.offer
    offers.restore(agent)
    assert agent.offer is same
    on_trial = _agent(path=FILE)
    on_trial.state["trial"] = {"version": "1.2.3"}
    offers.restore(on_trial)
    assert on_trial.offer is None, "first it is settled"


def test_what_waits_no_longer_is_told_and_forgotten():
    for running, fields, code in (
        ("1.2.3", makeoffer.fields(), errors.SAME_VERSION), ("2.0.0", makeoffer.fields(), errors.DOWNGRADE),
        ("1.0.0", {"version": "x"}, errors.BAD_MESSAGE),
    ):  # fmt: skip
        agent = _agent(running, FILE)
        agent.state["waiting"] = fields
        offers.restore(agent)
        assert agent.report.codes() == [code] and agent.offer is None
        assert FakeAgent(FILE).state["waiting"] is None


def test_an_offer_that_has_expired_while_it_waited_is_not_begun():
    agent = _agent()
    agent.offer = makeoffer.offer(signed_offer=makeoffer.signed(expires=NOW))
    with patched(clock, "now", lambda: NOW):
        raises_code(errors.OFFER_SIGNATURE, tries.begin, agent, 0)
    assert agent.saves == 0
    with patched(clock, "now", lambda: NOW - 1):
        tries.begin(agent, 0)
    assert agent.saves == 1


def test_a_failure_is_stored_before_it_is_told():
    """Cut in between, the board must not begin anew what the server believes to be over."""
    agent = _agent(path=FILE)
    _take(agent)
    agent.is_updating = True
    seen = []
    agent.report.error = lambda error: seen.append((error.code, FakeAgent(FILE).state["waiting"]))
    tries.fail(agent, errors.OtaError(errors.TIMEOUT))
    assert seen == [(errors.TIMEOUT, None)]
    assert agent.offer is None and not agent.is_updating


def test_a_failure_that_cannot_be_stored_is_told_too():
    agent = _agent()
    _take(agent)
    agent.save_fails = True
    tries.fail(agent, errors.OtaError(errors.TIMEOUT))
    assert agent.report.codes() == [errors.FLASH, errors.TIMEOUT] and agent.offer is None
