"""Words for the numbers of a board's OSErrors: Linux's, those of ESP-IDF's C library (newlib), and lwIP's."""

from __future__ import annotations

import re

WORDS = {
    -202: "the name cannot be resolved",
    -2: "the name cannot be resolved",
    16: "a connection is being made already",
    23: "too many sockets are open", 24: "too many sockets are open",
    101: "no network", 103: "the connection was aborted", 104: "the connection was reset",
    105: "no memory for it", 110: "no answer", 111: "the connection was refused",
    113: "no way to this host", 114: "no network", 116: "no answer", 118: "no way to this host",
    119: "still under way", 128: "not connected",
}  # fmt: skip
_NUMBER = re.compile(r"(?<=: )(-?[0-9]{1,3})$")


def explain(detail: str) -> str:
    """ "localhost: 111" -> "localhost: the connection was refused (111)"."""
    found = _NUMBER.search(detail)
    words = found and WORDS.get(int(found[1]))
    return f"{detail[: found.start()]}{words} ({found[1]})" if found and words else detail
