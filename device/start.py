"""The start: what the agent is made of, and which image runs.

What survives a reboot is one JSON record, replaced as a whole by an atomic rename. Records are additive: keys
this version does not know are kept as they are, and `format` stays at the number of the newest image that
wrote here, so that an old one after a rollback spoils nothing. Who owns a key checks it when the record is
read.
  slots    {label: record} of the image in each slot; a record has version, build_time, size, digest
  trial    the record of the image that was made bootable and is not confirmed yet, see trial.py
  floor    the highest version ever confirmed
  waiting, failed, refused   see offers.py
  known_time, doubts   see ntp.py
"""

import os
import sys

from . import errors, files, log, phases, strict
from .agent import STATE

_FORMAT = 1
_UNKNOWN = {"version": "0.0.0", "build_time": ""}
_READ_TRIES = 3
_MODULES = (
    "board cause config_table connection download ecdsa expiry failure guard header journal keys keytable"
    " ntp offer offer_signature offers online p256_comb request response rollback slot strict texts_en"
    " texts_zh trial update verify wifi wm"
)


def prepare(agent):
    """Everything that can keep the agent from starting. Raises OtaError(NO_INIT)."""
    check_package()
    clear(agent)
    config = agent.config
    if config.broker_address[0] == "mqtts":
        agent.link.context = phases.call("connection", "broker_context", config)
    phases.call("keys", "check", config)
    agent.state = load_state(STATE)
    agent.feed = phases.call("board", "start_watchdog", config.watchdog_s)
    if "device.guard" in sys.modules:
        sys.modules["device.guard"].leave_feeding()


def clear(agent):
    """The agent's values before anything has happened."""
    agent.feed = agent.state = agent.running = agent.offer = None
    agent.is_new = agent.can_return = agent.has_rollback = agent.network_failed = agent.is_updating = False
    agent.is_sync_told = agent.is_time_doubtful = False
    agent.sync_due_ms = agent.sync_asked_ms = agent.time_proven = 0
    agent.last_code = agent.memory_failures = agent.pause_ms = agent.failed_adoptions = agent.due = 0


def check_package():
    """A package that was copied in part must not show that in mid-update. Raises OtaError(NO_INIT)."""
    folder = phases.path()
    if folder is None:
        return
    found = [name.split(".")[0] for name in os.listdir(folder)]
    for name in _MODULES.split():
        if name not in found:
            what = "%s/%s is missing: deploy the package again" % (folder, name)
            raise errors.OtaError(errors.NO_INIT, what)


def load_state(path):
    """The record as a dict with all keys, in which everything is of the right form."""
    state = _read(path)
    for name in ("slots", "trial", "floor", "waiting", "failed", "refused", "known_time", "doubts"):
        state.setdefault(name, None)
    found = state.get("format")
    state["format"] = max(found, _FORMAT) if strict.is_number(found) else _FORMAT
    slots = state["slots"] if isinstance(state["slots"], dict) else {}
    state["slots"] = {label: record for label, record in slots.items() if _is_record(record)}
    if not _is_trial(state["trial"]):
        state["trial"] = None
    phases.call("offers", "check_state", state)
    phases.call("ntp", "check_state", state)
    return state


def clear_refused():
    """For an operator at the cable, where no agent runs: what Agent.clear_refused() does. Raises OSError."""
    state = load_state(STATE)
    state["refused"], state["failed"] = [], None
    files.replace(STATE, state)


def _read(path):
    """On FAT a cut inside the rename leaves the record under its new name only."""
    for name in (path, path + ".new"):
        try:
            values = strict.json_object(files.read(name))
        except OSError:
            continue
        if values is not None:
            return values
        log.warning("state: %s is damaged, ignored" % name)
    return {}


def _is_record(value):
    if not isinstance(value, dict) or not strict.is_number(value.get("size")):
        return False
    return all(isinstance(value.get(key), str) for key in ("version", "build_time", "digest"))


def _is_trial(value):
    if not _is_record(value) or not isinstance(value.get("signature"), str):
        return False
    return strict.is_number(value.get("attempts")) and strict.is_number(value.get("excuses", 0))


def identify(agent):
    """Generator: find out what runs, by the digest of its slot where a trial is open."""
    partition, label = phases.call("board", "running")
    agent.running = agent.state["slots"].get(label, _UNKNOWN)
    trial = agent.state["trial"]
    if trial and (yield from holds(partition, trial)):
        agent.running = trial
        agent.is_new = True
        agent.can_return = phases.call("board", "can_return")
    if agent.running is _UNKNOWN:
        log.warning("no record of the running image, taken for 0.0.0")
        cause = phases.call("cause", "take")
        if cause:  # the record went with an image that failed
            agent.report.error(errors.OtaError(errors.ROLLED_BACK, cause, [("cause", cause)]))
    log.info("%s build at %s" % (agent.running["version"], agent.running["build_time"]))


def holds(partition, record):
    """Generator: does this partition hold the image of this record? One that cannot be read does not.
    Raises OtaError if that cannot be asked."""
    for _ in range(_READ_TRIES):
        try:
            size, digest = record["size"], record["digest"]
            return (yield from phases.steps("verify", "holds", partition, size, digest))
        except errors.OtaError as error:
            if error.code != errors.FLASH:
                raise
            log.error("slot of %s: %s" % (record["version"], error.detail))
    return False
