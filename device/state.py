"""What survives a reboot: one JSON record, replaced as a whole by an atomic rename.

Records are additive: keys this version does not know are kept as they are.
  slots    {label: record} of the image in each slot; a record has version, build_time, size, digest
  trial    the record of the image that was made bootable and is not confirmed yet, with its signature
           (base64), the attempts that count against it, and `failed` once that is the verdict
  floor    the highest version ever confirmed
  waiting  the fields of an offer whose time has not come
  refused  [{version, size, signature, digest}] of images that failed their trials
"""

import json
import os

from micropython import const

from . import errors, jsontext, log, version

_REFUSED_LIMIT = const(8)


def _is_record(value):
    if not isinstance(value, dict) or not isinstance(value.get("size"), int):
        return False
    return all(isinstance(value.get(key), str) for key in ("version", "build_time", "digest"))


class State:
    """The record as attributes; `save()` after changing them."""

    def __init__(self, path):
        self._path = path
        self._values = self._read()
        slots = self._dict("slots") or {}
        self.slots = {label: record for label, record in slots.items() if _is_record(record)}
        self.trial = self._dict("trial")
        if not (_is_record(self.trial) and isinstance(self.trial.get("attempts"), int)):
            self.trial = None
        self.waiting = self._dict("waiting")
        self.floor = self._values.get("floor")
        refused = self._values.get("refused")
        refused = refused if isinstance(refused, list) else []
        self.refused = [entry for entry in refused if isinstance(entry, dict)]

    def _read(self):
        """The record; on FAT a cut inside the rename leaves it under its new name only."""
        for path in (self._path, self._path + ".new"):
            try:
                with open(path, "rb") as file:
                    values = jsontext.parse_object(file.read())
            except OSError:
                continue
            if values is not None:
                return values
            log.warning("state: %s is damaged, ignored" % path)
        return {}

    def _dict(self, key):
        value = self._values.get(key)
        return value if isinstance(value, dict) else None

    def save(self):
        """Raises OtaError(FLASH) if the file system cannot take it."""
        for key in ("slots", "trial", "waiting", "floor", "refused"):
            self._values[key] = getattr(self, key)
        new = self._path + ".new"
        try:
            with open(new, "w") as file:
                file.write(json.dumps(self._values))
            os.rename(new, self._path)
        except OSError as error:
            raise errors.OtaError(errors.FLASH, "state: %s" % error)

    def refuse(self, trial):
        keys = ("version", "size", "signature", "digest")
        self.refused = self.refused[-(_REFUSED_LIMIT - 1) :]
        self.refused.append({key: trial.get(key) for key in keys})

    def is_refused(self, key, value):
        return any(entry.get(key) == value for entry in self.refused)

    def lowest_allowed(self, running):
        """The version below which nothing is taken: (major, minor, patch)."""
        floor = version.parse(self.floor)
        running = version.parse(running) or (0, 0, 0)
        return max(floor, running) if floor else running
