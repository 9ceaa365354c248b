"""What survives a reboot: one JSON record, the agent's `state`, read and brought into form.

It is replaced as a whole by an atomic rename. Records are additive: keys this version does not know are kept
as they are, and `format` stays at the number of the newest image that wrote here, so that an old one after a
rollback spoils nothing. Who owns a key checks it when the record is read.
  slots    {label: record} of the image in each slot; a record has version, build_time, size, digest
  trial    the record of the image that was made bootable and is not confirmed yet, see trial.py
  floor    the highest version ever confirmed
  untold   see trial.py
  waiting, failed   see offers.py
  refused   see refused.py
  known_time, doubts, agreed_time   see ntp.py
"""

from . import files, log, phases, strict
from .agent import STATE

_FORMAT = 1
_KEYS = "slots trial floor waiting failed refused untold known_time doubts agreed_time"


def load(path):
    """The record as a dict with all keys, in which everything is of the right form."""
    state = _read(path)
    for name in _KEYS.split():
        state.setdefault(name, None)
    found = state.get("format")
    state["format"] = max(found, _FORMAT) if strict.is_number(found) else _FORMAT
    slots = state["slots"] if isinstance(state["slots"], dict) else {}
    state["slots"] = {label: record for label, record in slots.items() if _is_record(record)}
    if not _is_trial(state["trial"]):
        state["trial"] = None
    phases.call("offers", "check_state", state)
    phases.call("refused", "check_state", state)
    phases.call("ntp", "check_state", state)
    return state


def clear_refused():
    """For an operator at the cable, where no agent runs: what Agent.clear_refused() does. Raises OSError."""
    state = load(STATE)
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
