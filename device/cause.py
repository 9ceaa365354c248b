"""Why an image on trial has ended: noted by it in a small file, told by the old one.

Not in the record of the trial, because who notes it may have no memory and no room left: the file is there
before the trial begins, and one this short is rewritten in place, which a full LittleFS can do.
"""

from micropython import const

from . import files

_PATH = "ota_cause"
_SIZE = const(120)  # bytes, always: LittleFS keeps files of up to 128 beside their names


def reserve():
    """At each start, so that the file is there when it is needed. Without it a cause may not be told, which
    costs nothing else."""
    try:
        files.read(_PATH, _SIZE)
    except OSError:
        note("")


def note(text):
    """text: of any length; what is not printable ASCII becomes "?"."""
    line = bytes(ord(c) if 32 <= ord(c) < 127 else 63 for c in text[:_SIZE])
    try:
        files.write(_PATH, line + b" " * (_SIZE - len(line)))
    except OSError:
        pass


def take():
    """What was noted, once; "" if nothing was."""
    try:
        text = "".join(chr(byte) for byte in files.read(_PATH, _SIZE) if 32 <= byte < 127).rstrip()
    except OSError:
        return ""
    if text:
        note("")
    return text
