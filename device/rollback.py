"""On the old image, after a trial: boots the new one again, or refuses it from now on and reports that.

The boot loader gives a new image one boot and returns to the old one at any reset before the
confirm, a power cut too. So an old image that finds a trial tries again. An attempt counts unless the power
went, or the new image itself has seen that no network was there, to the limit of its trial.

In the trial record (see trial.py): cause is what the new image noted itself; cut_off, that it saw no network;
booted, whether it was started since its last attempt; failed, the last cause, by which the old image gave it
up.
"""

from micropython import const

from . import board, clock, errors, log, phases
from .agent import call_hook
from .trial import drop_waiting, invalidate, select_boot

_MAX_UNCOUNTED = const(10)  # an image that draws too much current, or ruins the network, must end too


def note_cause(agent, cause):
    """For a new image that gives itself up: why, for the old one to report."""
    trial = agent.state["trial"]
    if trial is None:
        return
    trial["cause"] = cause
    is_at_limit = log.uptime_ms() > agent.config.trial_limit_s * 1000
    trial["cut_off"] = bool(is_at_limit and agent.is_cut_off and not agent.link.was_reached)
    try:
        agent.save_state()
    except errors.OtaError as error:
        log.error(error.detail)


def settle(agent):
    """Generator, for an old image that has reached the broker and has a trial on record."""
    try:
        partition = yield from _find_retry(agent)
    except errors.OtaError as error:
        if error.code != errors.ROLLED_BACK:
            raise
        agent.report.error(error)
        if not agent.report.unsent:
            _end_trial(agent)  # the server has it
        return
    if partition is None:
        return
    while not call_hook(agent.may_start):
        agent.check_link()
        agent.check_messages()
        yield clock.IDLE_MS
    agent.state["trial"]["booted"] = True
    agent.save_state()
    select_boot(partition)
    agent.reboot()


def _find_retry(agent):
    """Generator: returns the partition of a new image that gets another boot, None if its trial never began.

    Raises OtaError(ROLLED_BACK) when its trials are over, at each connection until the server has it.
    """
    trial = agent.state["trial"]
    partition = board.spare()
    if not trial.get("failed"):
        if not (yield from phases.steps("verify", "holds", partition, trial["size"], trial["digest"])):
            log.warning("trial of %s never began" % trial["version"])
            _end_trial(agent)
            return None
        cause = _count_attempt(agent, trial) if trial.get("booted", True) else "not booted again yet"
        if trial["attempts"] < agent.config.trial_attempts and trial.get("excuses", 0) < _MAX_UNCOUNTED:
            agent.save_state()
            log.warning("%s did not confirm (%s), trying it again" % (trial["version"], cause))
            return partition
        trial["failed"] = cause
        drop_waiting(agent.state, trial["signature"])
        phases.call("offers", "refuse", agent, trial)
        agent.save_state()
    _make_unbootable(partition)
    facts = [("version", trial["version"]), ("cause", str(trial["failed"]))]
    detail = "%s failed its trials: %s" % (trial["version"], trial["failed"])
    raise errors.OtaError(errors.ROLLED_BACK, detail, facts)


def _count_attempt(agent, trial):
    """Once for each boot of the new image. Returns the cause of the reset that ended it."""
    trial["booted"] = False
    noted = phases.call("guard", "take_cause")  # by the guard, so this counts
    cause = trial.pop("cause", None) or noted or board.reset_cause()
    was_cut_off = trial.pop("cut_off", False)
    is_uncounted = not noted and (was_cut_off or cause == board.POWER_LOSS)
    key = "excuses" if is_uncounted else "attempts"
    trial[key] = trial.get(key, 0) + 1
    return cause


def _make_unbootable(partition):
    try:
        invalidate(partition)
    except errors.OtaError as error:
        log.error("slot of the failed image: %s" % error.detail)


def _end_trial(agent):
    agent.state["trial"] = None
    agent.save_state()
