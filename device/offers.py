"""Takes offers and cancels from the broker: which offer is accepted, which one waits, what is refused.

An image that failed its trials is refused until the owner signs an offer of it anew, or a long time has
passed.

Of the record (see state.py): waiting is the fields of the accepted offer, until its image is confirmed or
has failed. refused is [{version, size, signature, digest, at, pause_s}]. at is when it failed, or just before
the offer was issued that brought it back (Unix s, 0 = not known); pause_s how long it is refused.
"""

import time

from micropython import const

from . import clock, errors, log, phases

_STALL_MS = const(300_000)  # without a block: then another offer may take the place of the one that runs
_MAX_REFUSED = const(8)  # images
_DAY = const(86400)  # a clock may be behind by so much until it is set


def check_state(state):
    """Drop from the record what is not of the right form. Older images have written no times."""
    from . import strict  # state.py has it

    if not isinstance(state["waiting"], dict):
        state["waiting"] = None
    entries = state["refused"] if isinstance(state["refused"], list) else []
    state["refused"] = [entry for entry in entries if isinstance(entry, dict) and entry.get("digest")]
    for entry in state["refused"]:
        for key in ("at", "pause_s"):
            if not strict.is_number(entry.get(key)):
                entry[key] = 0


def receive(agent, name, payload):
    """What has come: an offer, or the word that one is taken back. name: "update" or "response"; payload:
    bytes. What is wrong with it is reported."""
    try:  # one after the other: less has to be in memory
        sequence, found, seconds = phases.call("offer", "parse_message", payload)
        phases.call("ntp", "hear", agent, seconds)
        if not isinstance(found, str):
            take(agent, name, sequence, found)
        elif name == "update":
            cancel(agent, found)
        else:
            log.warning("cancel in a response ignored")
    except errors.OtaError as error:
        agent.report.error(error)


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
    """Accept an offer or raise OtaError. While an update makes progress, the same image is known, and any
    other unwelcome; else another time or URL is news."""
    known = agent.offer
    is_running = agent.is_updating and time.ticks_diff(time.ticks_ms(), agent.progressed_ms) < _STALL_MS
    if known and (offer.signature == known.signature if is_running else offer.fields == known.fields):
        log.info("offer of %s is known" % offer.version)
        return
    if is_running:
        raise errors.OtaError(errors.ALREADY_RUNNING, "offer of " + offer.version)
    check(agent, offer)
    if agent.config.require_rollback and not agent.has_rollback:
        raise errors.OtaError(errors.NO_SLOT, "the boot loader cannot roll back")
    phases.call("board", "spare")
    address = offer.url.split("?", 1)[0]  # what follows may be a token
    log.info("Version: %s Size: %d URL: %s" % (offer.version, offer.size, address))
    if offer.start_at > clock.now():
        log.info("update waits until %d" % offer.start_at)
    phases.call("tries", "keep", agent, offer)
    agent.offer = offer  # an update of another one ends when it sees that
    plan(agent)


def check(agent, offer):
    """May this offer be taken, by all that is on record? Raises OtaError."""
    state = agent.state
    if agent.config.file_hosts:
        phases.call("strict", "check_host", offer.address, agent.config.file_hosts)
    running = phases.call("strict", "version", agent.running["version"])  # it need not stay beside the board
    if offer.number == running:
        raise errors.OtaError(errors.SAME_VERSION, offer.version)
    if agent.running.get("unversioned"):  # what it is called was the broker's word
        running = None
    min_version = phases.call("strict", "version", state["floor"])
    if offer.number < max(running or (0, 0, 0), min_version or (0, 0, 0)):
        raise errors.OtaError(errors.DOWNGRADE, offer.version)
    phases.call("tries", "check", agent, offer)
    check_refused(agent, offer)
    if offer.own_signature:  # last, because it takes longest
        phases.call("offer_signature", "check", agent, offer)
    elif agent.config.require_signed_offer:
        raise errors.OtaError(errors.OFFER_SIGNATURE, "the offer is not signed")


def plan(agent):
    """When the accepted offer may start, by the clock as it is now."""
    pause_s = phases.call("tries", "pause_left_s", agent, agent.offer)
    if pause_s:
        log.warning("this offer, or too many others, have failed: it waits %d s" % pause_s)
    agent.due = max(agent.offer.start_at, clock.now() + pause_s)


def restore(agent):
    """Take up again the offer that was waiting, or being installed, when the power went."""
    if agent.offer or agent.state["trial"] or not agent.state["waiting"]:
        return
    try:
        offer = phases.call("offer", "parse", agent.state["waiting"])
        check(agent, offer)
    except errors.OtaError as error:
        agent.report.error(error)
        phases.call("tries", "forget", agent)
    else:
        agent.offer = offer
        plan(agent)


def cancel(agent, signature):
    """The owner takes an offer back: the one with this signature (base64), or "*", whichever it is."""
    offer = agent.offer
    if not offer or signature not in ("*", offer.signature_text):
        log.info("cancel of an unknown offer ignored")
        return
    log.warning("offer of %s is cancelled" % offer.version)
    agent.offer = None  # its update ends when it sees that
    if agent.state["waiting"]:
        phases.call("tries", "forget", agent)
    agent.report.add('{"state": "cancelled"}', True)


def date_refused(state):
    """An image is confirmed: whatever an older one has refused had failed before that, and so no offer issued
    earlier is the owner's later word."""
    for entry in state["refused"]:
        entry["at"] = entry["at"] or clock.now()


def refuse(agent, trial):
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
    agent.state["refused"] = others[1 - _MAX_REFUSED :] + [entry]


def check_refused(agent, offer, digest=None):
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
