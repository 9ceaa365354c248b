"""What survives a reboot: one JSON record, replaced as a whole by an atomic rename.

Records are additive: keys this version does not know are kept as they are, and `format` stays at the
number of the newest image that wrote here, so that an old one after a rollback spoils nothing.
  slots    {label: record} of the image in each slot; a record has version, build_time, size, digest
  trial    the record of the image that was made bootable and is not confirmed yet, with its signature
           (base64), the attempts that count against it, and `failed` once that is the verdict
  floor    the highest version ever confirmed
  waiting  the fields of the accepted offer, until its image is confirmed or has failed
  failed   the offer that failed last, see failures.py
  known_time, doubts   see clock.py
  refused  [{version, size, signature, digest}] of images that failed their trials
"""

from micropython import const

from . import errors, files, jsontext, log, version

_FORMAT = const(1)
_REFUSED_LIMIT = const(8)
_KEYS = ("slots", "trial", "waiting", "failed", "floor", "refused", "known_time", "doubts")
FAILED_KEYS = ("starts", "position", "code", "count", "until", "faults", "rest")  # numbers in `failed`


def _is_number(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_record(value):
    if not isinstance(value, dict) or not _is_number(value.get("size")):
        return False
    return all(isinstance(value.get(key), str) for key in ("version", "build_time", "digest"))


def _is_trial(value):
    if not _is_record(value) or not isinstance(value.get("signature"), str):
        return False
    return _is_number(value.get("attempts")) and _is_number(value.get("excuses", 0))


class State:
    """The record as attributes; `save()` after changing them."""

    def __init__(self, path):
        self._path = path
        self._values = self._read()
        slots = self._dict("slots") or {}
        self.slots = {label: record for label, record in slots.items() if _is_record(record)}
        self.trial = self._dict("trial")
        if not _is_trial(self.trial):
            self.trial = None
        self.waiting = self._dict("waiting")
        self.failed = self._dict("failed")
        if not (self.failed and all(_is_number(self.failed.get(key)) for key in FAILED_KEYS)):
            self.failed = None
        self.floor = self._values.get("floor")
        self.known_time = self._number("known_time")
        self.doubts = self._number("doubts")
        refused = self._values.get("refused")
        refused = refused if isinstance(refused, list) else []
        self.refused = [entry for entry in refused if isinstance(entry, dict)]

    def _read(self):
        """The record; on FAT a cut inside the rename leaves it under its new name only."""
        for path in (self._path, self._path + ".new"):
            try:
                values = jsontext.parse_object(files.read(path))
            except OSError:
                continue
            if values is not None:
                return values
            log.warning("state: %s is damaged, ignored" % path)
        return {}

    def _dict(self, key):
        value = self._values.get(key)
        return value if isinstance(value, dict) else None

    def _number(self, key):
        value = self._values.get(key)
        return value if _is_number(value) and value > 0 else 0

    def save(self):
        """Raises OtaError(FLASH) if the file system cannot take it."""
        self._values.setdefault("format", _FORMAT)
        for key in _KEYS:
            self._values[key] = getattr(self, key)
        try:
            files.replace(self._path, self._values)
        except OSError as error:
            raise errors.OtaError(errors.FLASH, "state: %s" % error)

    def drop_waiting(self, signature):
        """The offer with this signature (base64) is done with."""
        if self.waiting and self.waiting.get("sig-sha256-ecdsa") == signature:
            self.waiting = None

    def refuse(self, trial):
        keys = ("version", "size", "signature", "digest")
        self.refused = self.refused[-(_REFUSED_LIMIT - 1) :]
        self.refused.append({key: trial.get(key) for key in keys})

    def clear_refused(self):
        """What an operator may do: failed images and offers get another chance. Raises OtaError(FLASH)."""
        self.refused = []
        self.failed = None
        self.save()

    def is_refused(self, key, value):
        return any(entry.get(key) == value for entry in self.refused)

    def lowest_allowed(self, running):
        """The version below which nothing is taken: (major, minor, patch)."""
        floor = version.parse(self.floor)
        running = version.parse(running) or (0, 0, 0)
        return max(floor, running) if floor else running
