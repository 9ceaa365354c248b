"""The start: what the agent is made of, is the package whole, and which image runs."""

import os
import sys

from . import errors, log, phases

_UNKNOWN = {"version": "0.0.0", "build_time": ""}
_MODULES = (
    "board config_table connection download ecdsa expiry failure guard keys keytable ntp offer"
    " offer_signature offers online p256_comb record response rollback slot state strict texts_en trial"
    " tries update verify"
)


def prepare(agent):
    """Everything that can keep the agent from starting. Raises OtaError(NO_INIT)."""
    check_package(agent.config)
    clear(agent)
    config = agent.config
    if config.broker_address[0] == "mqtts":
        agent.link.context = phases.call("connection", "broker_context", config)
    if phases.call("keys", "read_key", config.signing_key) is None:
        what = "cannot read %s as a P-256 public key" % config.signing_key
        raise errors.OtaError(errors.NO_INIT, what)
    phases.call("guard", "reserve_cause")
    agent.feed = phases.call("board", "start_watchdog", config.watchdog_s)
    if "device.guard" in sys.modules:
        sys.modules["device.guard"].leave_feeding()
    phases.call("record", "take_reserve")


def clear(agent):
    """The agent's values before anything has happened."""
    agent.feed = agent.state = agent.running = agent.offer = None
    agent.is_new = agent.can_return = agent.has_rollback = agent.is_updating = False
    agent.is_sync_reported = agent.is_time_doubtful = agent.is_file_host_known = agent.link.was_reached = (
        False
    )
    agent.is_cut_off = agent.witness = None
    agent.sync_due_ms = agent.sync_asked_ms = agent.time_proven = 0
    agent.last_code = agent.memory_failures = agent.pause_ms = agent.failed_adoptions = agent.due = 0
    agent.checked_s = agent.counted_s = agent.progressed_ms = 0


def check_package(config):
    """A package that was copied in part, or for another configuration, must not show that in mid-update.
    Raises OtaError(NO_INIT)."""
    folder = phases.path()
    if folder is None:
        return
    found = [name.split(".")[0] for name in os.listdir(folder)]
    options = " texts_%s%s" % (config.language, " wm" if config.image == "wm" else "")
    for name in (_MODULES + options).split():
        if name not in found:
            what = "%s/%s is missing: deploy the package again" % (folder, name)
            raise errors.OtaError(errors.NO_INIT, what)


def identify(agent):
    """Generator: find out what runs, by the digest of its slot where a trial is open."""
    partition, label = phases.call("board", "running")
    agent.running = agent.state["slots"].get(label, _UNKNOWN)
    trial = agent.state["trial"]
    if trial and (yield from phases.steps("verify", "holds", partition, trial["size"], trial["digest"])):
        agent.running = trial
        agent.is_new = True
        agent.can_return = phases.call("board", "can_return")
    if agent.running is _UNKNOWN:
        log.warning("no record of the running image, taken for 0.0.0")
        cause = phases.call("guard", "take_cause")
        if cause:  # the record went with an image that failed
            agent.report.error(errors.OtaError(errors.ROLLED_BACK, cause, [("cause", cause)]))
    log.info("%s build at %s" % (agent.running["version"], agent.running["build_time"]))
