"""Images that failed their trials: refused, until the owner signs an offer of them anew or a long time has
passed.

Of the record (see state.py): refused is [{version, size, signature, digest, at, pause_s}]. at is when it
failed, or just before the offer was issued that brought it back (Unix s, 0 = not known); pause_s how long it
is refused.
"""

from micropython import const

from . import clock, errors, phases, strict

_MOST = const(8)
_DAY = const(86400)  # a clock may be behind by so much until it is set


def check_state(state):
    """Drop from the record what is not of the right form. Older images have written no times."""
    entries = state["refused"] if isinstance(state["refused"], list) else []
    state["refused"] = [entry for entry in entries if isinstance(entry, dict) and entry.get("digest")]
    for entry in state["refused"]:
        for key in ("at", "pause_s"):
            if not strict.is_number(entry.get(key)):
                entry[key] = 0


def date(state):
    """An image is confirmed: whatever an older one has refused had failed before that, and so no offer issued
    earlier is the owner's later word."""
    for entry in state["refused"]:
        entry["at"] = entry["at"] or clock.now()


def add(agent, trial):
    """The image of this trial has failed: each time it is refused for twice as long."""
    entry = {key: trial.get(key) for key in ("version", "size", "signature", "digest")}
    entry["at"], entry["pause_s"] = clock.now(), agent.config.refuse_s
    others = []
    for old in agent.state["refused"]:
        if old["digest"] != entry["digest"]:
            others.append(old)
            continue
        entry["at"] = max(clock.now(), old["at"] + 1)
        entry["pause_s"] = max(entry["pause_s"], 2 * old["pause_s"])
    agent.state["refused"] = others[1 - _MOST :] + [entry]


def check(agent, offer, digest=None):
    """May the image of this offer be tried? digest: of what lies in the slot, once that is known, and when
    the offer was issued has been proven. Raises OtaError(REFUSED_IMAGE). Returns how many of its attempts are
    gone: without the owner's word it has one more."""
    own, now, attempts = offer.own_signature, clock.now(), 0
    for entry in agent.state["refused"]:
        if entry["digest"] != (digest or own and own.image_digest):
            if entry.get("signature") != offer.signature_text:
                continue
        if own and own.issued > entry["at"]:
            if digest:  # this offer brings it back once
                entry["at"] = own.issued - 1
            else:
                phases.call("keys", "signer", agent, own.proof[1], own.proof[0], errors.REFUSED_IMAGE)
            continue
        if not 0 < entry["at"] <= now + _DAY:  # not known, or the clock was wrong then
            entry["at"] = now
        if not agent.config.refuse_s or now - entry["at"] < max(entry["pause_s"], agent.config.refuse_s):
            raise errors.OtaError(errors.REFUSED_IMAGE, offer.version)
        attempts = agent.config.trial_attempts - 1
    return attempts
