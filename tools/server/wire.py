"""The server's side of the messages: envelopes out, and what devices say, which may be anything, in."""

from __future__ import annotations

import json
import re
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tools.errors import ToolError
from tools.keys.identities import SERVER_IDENTITY

REPORT, GET, PROGRESS = "firmware/report", "get", "progress/report"
DEVICE_TOPICS = (REPORT, GET, PROGRESS)
UPDATE, RESPONSE = "update", "response"

LONGEST = 4096  # bytes of a message; a board's own have 300
_TEXT_LIMIT = 64
_SEQUENCES = 1 << 32
_EARLIEST_S = 1_500_000_000
_STATES = ("idle", "waiting", "updating")  # of a board that runs a good image
_MAC = re.compile("[0-9A-F]{12}")


class Word(NamedTuple):
    """What a board says of itself. kind: "INIT", "UPDATE" or "get"; state: "idle", "waiting", "updating",
    "trial"; knows: such as "cancel", with blanks between; each "" from a board that does not say it. time: by
    the board's clock, in ms, 0 = it has none."""

    kind: str = "get"
    version: str = ""
    slot: str = ""
    state: str = ""
    knows: str = ""
    time: int = 0

    @property
    def is_on_trial(self) -> bool:
        return self.kind == "UPDATE" or self.state == "trial"

    @property
    def is_good(self) -> bool:
        """Whether the version runs, and not on trial."""
        return bool(self.version) and not self.is_on_trial and self.state in ("", *_STATES)


NOTHING = Word()


@dataclass(frozen=True)
class Report:
    """What a device said, checked. kind: "started" or "confirmed" (with word), "progress", "verified",
    "cancelled" or "error"; version: of the image that it is about; cause: in words, or the field of a message
    that was wrong."""

    kind: str
    version: str = ""
    build_time: str = ""
    progress: int = 0
    code: int = 0
    cause: str = ""
    word: Word = NOTHING


def envelope(sequence: int, data: str) -> str:
    """data: a JSON text."""
    return f'{{"msg_sequence": {sequence}, "time": {int(time.time() * 1000)}, "data": {data}}}'


def split_topic(prefix: str, topic: str) -> tuple[str, str] | None:
    """(mac, name), or None for a topic that is not a device's."""
    mac, _, name = topic.removeprefix(prefix + "/").partition("/ota/")
    return (mac, name) if is_mac(mac) and name else None


def is_mac(text: str) -> bool:
    return bool(_MAC.fullmatch(text))


def parse(payload: bytes) -> dict[str, Any] | None:
    """The envelope, or None if it is not one."""
    if len(payload) > LONGEST:
        return None
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def question(payload: bytes) -> tuple[int, Word] | None:
    """The number of a `get`, and the fields beside it; None if it is not one."""
    message = parse(payload) or {}
    number = message.get("msg_sequence")
    if not _is_integer(number, 0, _SEQUENCES):
        return None
    return number, _word(message, "get", clean(message.get("version")), clean(message.get("slot")))


def _word(message: dict[str, Any], kind: str, version: str, slot: str) -> Word:
    known = message.get("knows")
    names = sorted({clean(name) for name in known}) if isinstance(known, list) else []
    state, time_ms = clean(message.get("state")), _milliseconds(message.get("time"))
    return Word(kind, version, slot, state, clean(" ".join(names)), time_ms)


def _milliseconds(time: object) -> int:
    """Of a Unix time in s or ms; 0 for what is not one, such as an uptime."""
    if _is_integer(time, _EARLIEST_S, 100 * _EARLIEST_S):
        return 1000 * time
    return time if _is_integer(time, 1000 * _EARLIEST_S, 100_000 * _EARLIEST_S) else 0


def report(name: str, payload: bytes) -> Report | None:
    """The fields of a report; None if it is not one. Unknown fields are left out."""
    message = parse(payload) or {}
    data = message.get("data")
    if not isinstance(data, dict):
        return None
    if name == REPORT:
        return _started(message, data)
    version = clean(data.get("version"))
    if _is_integer(data.get("errorCode"), -99999, -1):
        cause = " ".join(filter(None, (version, clean(data.get("cause")), clean(data.get("field")))))
        return Report("error", version, code=data["errorCode"], cause=cause)
    state = data.get("state")
    if state == "confirmed" and version:
        word = Word("INIT", version, state="idle", time=_milliseconds(message.get("time")))
        return Report("confirmed", version, word=word)
    if state in ("verified", "cancelled"):
        return Report(state)
    if _is_integer(data.get("progress"), 0, 100):
        return Report("progress", progress=data["progress"])
    return None


def _started(message: dict[str, Any], data: dict[str, Any]) -> Report | None:
    version, kind = clean(data.get("version")), data.get("type")
    if kind not in ("INIT", "UPDATE") or not version:
        return None
    word = _word(message, kind, version, clean(data.get("slot")))
    return Report("started", version, clean(data.get("build_time")), word=word)


def clean(text: object) -> str:
    """At most 64 printable characters of what should be a text: it goes to terminals and into logs."""
    if not isinstance(text, str):
        return ""
    text = text[:_TEXT_LIMIT]
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def _is_integer(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def tls_context(keys: Path, identity: str = SERVER_IDENTITY) -> ssl.SSLContext:
    """Of a client that the broker knows by the common name `identity`. Raises ToolError."""
    try:
        context = ssl.create_default_context(cafile=str(keys / "broker-ca.crt.pem"))
        context.load_cert_chain(keys / f"{identity}.crt.pem", keys / f"{identity}.key.pem")
    except OSError as error:
        raise ToolError(f"{keys}: no usable certificates, make them with `keys`: {error}") from None
    return context
