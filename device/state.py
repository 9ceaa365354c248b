"""What survives a reboot: one JSON record, the agent's `state`, read and brought into form.

It is replaced as a whole by an atomic rename, ends in its CRC, and there is a copy, .old, which counts where
it is damaged. Records are additive: unknown keys are kept as they are, and
`format` stays at the number of the newest image that wrote here, so that an old one after a rollback spoils
nothing. Who owns a key checks it when the record is read.
  slots    {label: record} of the image in each slot; a record has version, build_time, size, digest
  trial    the record of the image that was made bootable and is not confirmed yet, see trial.py
  floor    the highest version ever confirmed; also in a file of its own, ota_floor, which nothing deletes
  untold   see trial.py
  waiting, refused   see offers.py
  failed, wear   see tries.py
  known_time, doubts, agreed_time   see ntp.py
"""

import binascii

from micropython import const

from . import files, log, phases, strict

_FORMAT = const(1)
_ENOENT = const(2)
_KEYS = "slots trial floor waiting failed refused untold wear known_time doubts agreed_time"
_MARK = const(32)  # bytes at the end of a record: its CRC, see record.py
_MIN_VERSION = "ota_floor"
_MIN_VERSION_LIMIT = const(128)


def load(path="ota_state.json"):
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
    state["floor"] = _min_version(state["floor"])
    phases.call("offers", "check_state", state)
    phases.call("tries", "check_state", state)
    phases.call("ntp", "check_state", state)
    return state


def _min_version(recorded):
    """The higher one of the record and of its own file, which gets it."""
    kept = kept_lowest()
    number, other = strict.version(recorded), strict.version(kept)
    if number and (other is None or number > other):
        phases.call("record", "keep_lowest", recorded)
        return recorded
    return kept


def kept_lowest():
    """The highest version ever confirmed, as its own file has it; None without one."""
    try:
        text = files.read(_MIN_VERSION, _MIN_VERSION_LIMIT)
    except OSError:
        return None
    version = text.split(b" ")[0]
    return version.decode() if text == phases.call("record", "lowest_text", version) else None


def clear_refused(state=None):
    """What Agent.clear_refused() does with its state, which it saves itself; and without one, for an operator
    at the cable, where no agent runs. Raises OtaError(FLASH)."""
    is_stored = state is None
    state = load() if is_stored else state
    state["refused"], state["failed"], state["wear"] = [], None, None
    if is_stored:
        phases.call("record", "save", state)


def _read(path):
    """On FAT a cut in the middle of the rename leaves the record under its new name only. The copy counts
    where the record is damaged, not where somebody has deleted it."""
    names = [path, path + ".new"]
    for name in names:
        try:
            text = files.read(name)
            values = strict.json_object(text) if _is_marked_right(text) else None
        except OSError as error:
            if error.args[0] == _ENOENT:
                continue
            values = None
        if values is not None:
            return values
        log.warning("state: %s is damaged, ignored" % name)
        if path + ".old" not in names:
            names.append(path + ".old")
    return {}


def _is_marked_right(text):
    """Is the CRC of a record (bytes) right? Images before this one wrote none."""
    end = text[-_MARK:]
    is_marked = len(text) > _MARK and not end.strip()
    return not is_marked or end == phases.call("record", "mark", binascii.crc32(text[:-_MARK])).encode()


def _is_record(value):
    if not isinstance(value, dict) or not strict.is_number(value.get("size")):
        return False
    return all(isinstance(value.get(key), str) for key in ("version", "build_time", "digest"))


def _is_trial(value):
    if not _is_record(value) or not isinstance(value.get("signature"), str):
        return False
    return strict.is_number(value.get("attempts")) and strict.is_number(value.get("excuses", 0))
