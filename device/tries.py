"""When an offer may be tried again, and what its download costs of the flash's life.

Tries inside one download are failure.py's.

Failing the same way again doubles the pause. So does starting again and again without a checkpoint
more than the last time: a board that is reset in the middle of each try must not spend its life on it.
And many bad images in a row make every offer wait.

Whatever its sender and its end: a download uses up a twentieth of a day's allowance, so that no block is
erased more often than 20 times at once, and 20 times a day. What is confirmed is given back. The clock
may be wrong, so what counts is the time that the board is on, and at a start what a clock says of the time
since, up to one download.

Of the record (see state.py): failed is the offer that was tried last: `offer` says which; starts and position
(of its journal) since the last checkpoint; code and count of its failures; until (Unix s); and of all offers
faults (bad images in a row) and rest (until when all must wait). wear is [what is left for downloads, what is
left for saves of offers that wait, what was spent on the offer in failed, all in s; when, in Unix minutes].
"""

from micropython import const

from . import clock, errors, log

_FAILED_KEYS = ("starts", "position", "code", "count", "until", "faults", "rest")  # numbers
_ERASES = const(0)  # in the record of wear
_SAVES = const(1)
_SPENT = const(2)
_AT = const(3)
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
_DAY_S = const(86400)
_COST_S = const(4320)  # of a download, and of a save for an offer that waits


def check_state(state):
    """Drop from the record what is not of the right form."""
    failed, wear = state["failed"], state["wear"]
    if not isinstance(failed, dict) or not _are_numbers([failed.get(key) for key in _FAILED_KEYS]):
        state["failed"] = None
    if not isinstance(wear, list) or len(wear) != 4 or not _are_numbers(wear) or min(wear) <= -_DAY_S:
        state["wear"] = None


def _are_numbers(values):
    return all(type(value) is int for value in values)


def check(agent, offer):
    """Raises OtaError if this offer had a bad image, and must not be tried again yet."""
    failed = agent.state["failed"]
    if _is_same(agent.state, offer) and failed["code"] in IMAGE_FAULTS and pause_left_s(agent, offer):
        raise errors.OtaError(failed["code"], "this offer has failed before")


def keep(agent, offer):
    """Have the accepted offer on record, so that it goes on by itself after a power cut. After too many it
    is stored only when its update begins. One that cannot be recorded is taken nevertheless."""
    wear = _wear(agent)
    if wear[_SAVES] < _COST_S:
        log.warning("offers come too often: a power cut would forget this one")
        return
    wear[_SAVES] -= _COST_S
    agent.state["waiting"] = offer.fields
    _save(agent)


def begin(agent, position):
    """The accepted offer is about to be installed from this byte on. Raises OtaError: OFFER_SIGNATURE if
    it has expired while it waited, ALREADY_RUNNING if it must wait, FLASH."""
    offer = agent.offer
    own = offer.own_signature
    if own and own.expires <= clock.now():
        raise errors.OtaError(errors.OFFER_SIGNATURE, "the offer has expired")
    entry = _entry(agent.state, offer)
    is_paid = not entry["starts"] or position <= entry["position"]
    if is_paid:  # else it has come further than it was: only its last blocks are erased again
        _spend(agent, errors.ALREADY_RUNNING)
    entry["starts"] = entry["starts"] + 1 if is_paid else 1
    entry["position"] = position
    _set_pause(entry, entry["starts"] - _FREE_STARTS)
    agent.state["waiting"] = offer.fields
    agent.save_state()


def begin_anew(agent):
    """The same download, from byte 0. Raises OtaError(CONNECTION_FAILED) if that must wait."""
    _spend(agent, errors.CONNECTION_FAILED)


def _spend(agent, code):
    wear = _wear(agent)
    left_s = _COST_S - wear[_ERASES]
    if left_s > 0:
        agent.due = clock.now() + left_s
        raise errors.OtaError(code, "too many downloads: the next one in %d s" % left_s)
    wear[_ERASES] -= _COST_S
    wear[_SPENT] += _COST_S


def give_back(state):
    """The image is confirmed: its download was worth it."""
    wear = state["wear"]
    if wear:
        wear[_ERASES], wear[_SPENT] = min(wear[_ERASES] + wear[_SPENT], _DAY_S), 0


def _wear(agent):
    """The record as it is now."""
    state, up_s, now = agent.state, log.uptime_ms() // 1000, clock.now() // 60
    wear = state["wear"]
    if not wear:
        wear = state["wear"] = [_DAY_S, _DAY_S, 0, now]
    since_s = up_s - agent.counted_s
    if not agent.counted_s:
        since_s = max(up_s, min(abs(now - wear[_AT]) * 60, _COST_S))
    for i in (_ERASES, _SAVES):
        wear[i] = min(wear[i] + since_s, _DAY_S)
    agent.counted_s, wear[_AT] = up_s, now
    return wear


def fail(agent, error):
    """The accepted offer came to nothing. Saved before it is reported: after a power cut in between the board
    must not begin anew what the server believes to be over."""
    agent.is_updating = False
    if isinstance(error, MemoryError):
        error = errors.OtaError(errors.NO_MEM, "update: %s" % error)
    if error.code == errors.ALREADY_RUNNING:  # it must wait, was cancelled, or gave way to another one
        log.warning(error.detail)
        return
    entry = _entry(agent.state, agent.offer)
    is_fault = error.code in IMAGE_FAULTS
    entry["starts"] = entry["position"] = 0
    entry["count"] = entry["count"] + 1 if entry["code"] == error.code else 1
    entry["code"] = error.code
    _set_pause(entry, entry["count"] - (not is_fault))
    if is_fault:
        entry["faults"] = entry["faults"] + 1
        entry["rest"] = clock.now() + _doubled(entry["faults"] - _FREE_FAULTS, _MAX_REST_S)
    forget(agent)
    agent.report.error(error)


def forget(agent):
    """The accepted offer is done with."""
    agent.offer = agent.state["waiting"] = None
    _save(agent)


def _save(agent):
    try:
        agent.save_state()
    except errors.OtaError as problem:
        agent.report.error(problem)


def pause_left_s(agent, offer):
    """Seconds until this offer may be tried again, 0 if it may."""
    left_s, failed = _COST_S - _wear(agent)[_ERASES], agent.state["failed"]
    if failed:
        rest_s = failed["rest"] - clock.now()
        if rest_s <= _MAX_REST_S:  # else the clock was wrong then
            left_s = max(left_s, rest_s)
        if _is_same(agent.state, offer) and failed["until"] - clock.now() <= _MAX_PAUSE_S:
            left_s = max(left_s, failed["until"] - clock.now())
    return max(left_s, 0)


def _entry(state, offer):
    if not _is_same(state, offer):
        before = state["failed"] or {}
        state["failed"] = {"offer": _identity(offer)}
        for key in _FAILED_KEYS:
            state["failed"][key] = before.get(key, 0) if key in ("faults", "rest") else 0
        if state["wear"]:
            state["wear"][_SPENT] = 0
    return state["failed"]


def _is_same(state, offer):
    return state["failed"] is not None and state["failed"].get("offer") == _identity(offer)


def _set_pause(entry, number):
    """number: of the failures that were not accidents."""
    entry["until"] = clock.now() + _doubled(number, _MAX_PAUSE_S)


def _doubled(number, max_s):
    """A minute, two, four … for the numbers from 1 on, at most max_s."""
    return min(_PAUSE_S << min(number - 1, 12), max_s) if number > 0 else 0


def _identity(offer):
    """Without what follows a "?": a token that is new each time does not make another offer."""
    url = offer.url
    if "?" in url:  # else it stays the same object, for the record lives as long as the update
        url = url.split("?", 1)[0]
    return [offer.version, offer.signature_text, url, offer.size]
