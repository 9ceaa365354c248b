"""Which offers are taken, which one waits, and when one that has failed may be tried again.

Failing the same way again doubles the pause. So does starting again and again without a checkpoint
more than the last time: a board that is reset in the middle of each try must not spend its life on it.
And many bad images in a row make every offer wait: several that take turns must not wear out the flash.

Of the record (see state.py): waiting is the fields of the accepted offer, until its image is confirmed or
has failed; failed is the offer that failed last: `offer` says which; starts and position (of its journal)
since the last checkpoint; code and count of its failures; until (Unix s); and of all offers faults (bad
images in a row) and rest (until when all must wait).
"""

from micropython import const

from . import clock, errors, log, phases

_FAILED_KEYS = ("starts", "position", "code", "count", "until", "faults", "rest")  # numbers
IMAGE_FAULTS = (  # no second try can end otherwise
    errors.HEADER_INVALID,
    errors.CRC_ERROR,
    errors.FW_OVERFLOW,
    errors.SHA256_ECDSA,
    errors.SIZE_MISMATCH,
    errors.WRONG_BOARD,
    errors.REFUSED_IMAGE,
    errors.OFFER_SIGNATURE,
    errors.VERSION_UNKNOWN,
)
_FREE_STARTS = const(4)  # power cuts are no reason to wait
_PAUSE_S = const(60)
_MAX_PAUSE_S = const(86400)
_FREE_FAULTS = const(8)  # bad images of any offers, since the last good one
_MAX_REST_S = const(3600)


def check_state(state):
    """Drop from the record what is not of the right form."""
    from . import strict  # no more than a check needs it

    if not isinstance(state["waiting"], dict):
        state["waiting"] = None
    failed = state["failed"]
    if not isinstance(failed, dict) or not all(strict.is_number(failed.get(key)) for key in _FAILED_KEYS):
        state["failed"] = None


def take(agent, name, sequence, offer):
    """name: "update" or "response"; the others: see offer.parse_message(). Raises OtaError."""
    if name == "update" or _is_news(agent, sequence, offer):
        _consider(agent, offer)


def _is_news(agent, sequence, offer):
    if not phases.call("strict", "is_number", sequence):
        raise errors.OtaError(errors.BAD_MESSAGE, "bad response", (("field", "msg_sequence"),))
    if sequence != agent.report.asked:
        log.warning("response %d ignored: nobody asked" % sequence)
        return False
    agent.report.asked = None
    if offer.version == agent.running["version"]:
        log.info("nothing newer than %s" % offer.version)
        return False
    return True


def _consider(agent, offer):
    """Accept an offer or raise OtaError."""
    if agent.offer and _is_known(agent, offer):
        log.info("offer of %s is known" % offer.version)
        return
    if agent.is_updating:
        raise errors.OtaError(errors.ALREADY_RUNNING, "offer of " + offer.version)
    check(agent, offer)
    if agent.config.require_rollback and not agent.has_rollback:
        raise errors.OtaError(errors.NO_SLOT, "the boot loader cannot roll back")
    phases.call("board", "spare")
    address = offer.url.split("?", 1)[0]  # what follows may be a token
    log.info("Version: %s Size: %d URL: %s" % (offer.version, offer.size, address))
    if offer.start_at > clock.now():
        log.info("update waits until %d" % offer.start_at)
    pause_s = pause_left_s(agent.state, offer)
    if pause_s:
        log.warning("this offer has failed before: it waits %d s" % pause_s)
    agent.state["waiting"] = offer.fields  # the update goes on by itself after a power cut
    agent.save_state()
    agent.offer = offer
    plan(agent)


def _is_known(agent, offer):
    """During its update the same image is enough; while it waits, another time or URL is news."""
    if agent.is_updating:
        return offer.signature == agent.offer.signature
    return offer.fields == agent.offer.fields


def check(agent, offer):
    """May this offer be taken, by all that is on record? Raises OtaError."""
    state = agent.state
    if agent.config.file_hosts:
        phases.call("urls", "check_host", offer.address, agent.config.file_hosts)
    running = phases.call("strict", "version", agent.running["version"])  # it need not stay beside the board
    if offer.number == running:
        raise errors.OtaError(errors.SAME_VERSION, offer.version)
    if agent.running.get("unversioned"):  # what it is called was the broker's word
        running = None
    floor = phases.call("strict", "version", state["floor"])
    if offer.number < max(running or (0, 0, 0), floor or (0, 0, 0)):
        raise errors.OtaError(errors.DOWNGRADE, offer.version)
    if _is_same(state, offer) and pause_left_s(state, offer) and state["failed"]["code"] in IMAGE_FAULTS:
        raise errors.OtaError(state["failed"]["code"], "this offer has failed before")
    phases.call("refused", "check", agent, offer)
    if offer.own_signature:  # last, because it takes longest
        phases.call("offer_signature", "check", agent, offer.own_signature)
    elif agent.config.require_signed_offer:
        raise errors.OtaError(errors.OFFER_SIGNATURE, "the offer is not signed")


def plan(agent):
    """When the accepted offer may start, by the clock as it is now."""
    agent.due = max(agent.offer.start_at, clock.now() + pause_left_s(agent.state, agent.offer))


def restore(agent):
    """Take up again the offer that was waiting, or being installed, when the power went."""
    if agent.offer or not agent.state["waiting"]:
        return
    try:
        offer = phases.call("offer", "parse", agent.state["waiting"])
        check(agent, offer)
    except errors.OtaError as error:
        agent.report.error(error)
        _forget(agent)
    else:
        agent.offer = offer
        plan(agent)


def begin(agent, position):
    """The accepted offer is about to be installed from this byte on. Raises OtaError: OFFER_SIGNATURE if
    it has expired while it waited, FLASH."""
    own = agent.offer.own_signature
    if own and own.expires <= clock.now():
        raise errors.OtaError(errors.OFFER_SIGNATURE, "the offer has expired")
    entry = _entry(agent.state, agent.offer)
    goes_on = position <= entry["position"]
    entry["starts"] = entry["starts"] + 1 if goes_on else 1
    entry["position"] = position
    _set_pause(entry, entry["starts"] - _FREE_STARTS)
    agent.save_state()


def fail(agent, error):
    """The accepted offer came to nothing. Stored before it is told: cut in between, the board must
    not begin anew what the server believes to be over."""
    if isinstance(error, MemoryError):
        error = errors.OtaError(errors.NO_MEM, "update: %s" % error)
    entry = _entry(agent.state, agent.offer)
    is_fault = error.code in IMAGE_FAULTS
    entry["starts"] = entry["position"] = 0
    entry["count"] = entry["count"] + 1 if entry["code"] == error.code else 1
    entry["code"] = error.code
    _set_pause(entry, entry["count"] - (not is_fault))
    if is_fault:
        entry["faults"] = entry["faults"] + 1
        entry["rest"] = clock.now() + _doubled(entry["faults"] - _FREE_FAULTS, _MAX_REST_S)
    agent.is_updating = False
    _forget(agent)
    agent.report.error(error)


def _forget(agent):
    agent.offer = agent.state["waiting"] = None
    try:
        agent.save_state()
    except errors.OtaError as problem:
        agent.report.error(problem)


def pause_left_s(state, offer):
    """Seconds until this offer may be tried again, 0 if it may."""
    failed = state["failed"]
    if not failed:
        return 0
    left_s = failed["rest"] - clock.now()
    if left_s > _MAX_REST_S:  # the clock was wrong then
        left_s = 0
    if _is_same(state, offer) and failed["until"] - clock.now() <= _MAX_PAUSE_S:
        left_s = max(left_s, failed["until"] - clock.now())
    return max(left_s, 0)


def _entry(state, offer):
    if not _is_same(state, offer):
        before = state["failed"] or {}
        state["failed"] = {"offer": _identity(offer)}
        for key in _FAILED_KEYS:
            state["failed"][key] = before.get(key, 0) if key in ("faults", "rest") else 0
    return state["failed"]


def _is_same(state, offer):
    return state["failed"] is not None and state["failed"].get("offer") == _identity(offer)


def _set_pause(entry, number):
    """number: of the failures that were no accident."""
    entry["until"] = clock.now() + _doubled(number, _MAX_PAUSE_S)


def _doubled(number, most_s):
    """A minute, two, four … for the numbers from 1 on, at most most_s."""
    return min(_PAUSE_S << min(number - 1, 12), most_s) if number > 0 else 0


def _identity(offer):
    """Without what follows a "?": a token that is new each time does not make another offer."""
    return [offer.version, offer.signature_text, offer.url.split("?", 1)[0], offer.size]
