"""The server's side of the messages: envelopes out, and what devices say, which may be anything, in."""

from __future__ import annotations

import json
import re
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.errors import ToolError
from tools.identities import SERVER_IDENTITY

REPORT, GET, PROGRESS = "firmware/report", "get", "progress/report"
DEVICE_TOPICS = (REPORT, GET, PROGRESS)
UPDATE, RESPONSE = "update", "response"

LONGEST = 4096  # bytes of a message; a board's own have 300
_TEXT_LIMIT = 64
_SEQUENCES = 1 << 32
_MAC = re.compile("[0-9A-F]{12}")


@dataclass
class Report:
    """What a device said, checked. kind: "started", "progress", "verified", "confirmed" or "error"; cause: in
    words, or the field of a message that was wrong; state: "" from a board that says none."""

    kind: str
    version: str = ""
    build_time: str = ""
    slot: str = ""
    progress: int = 0
    code: int = 0
    cause: str = ""
    state: str = ""


def envelope(sequence: int, data: str) -> str:
    """data: a JSON text."""
    return f'{{"msg_sequence": {sequence}, "time": {int(time.time() * 1000)}, "data": {data}}}'


def split_topic(prefix: str, topic: str) -> tuple[str, str] | None:
    """(mac, name), or None for what is no device's topic."""
    mac, _, name = topic.removeprefix(prefix + "/").partition("/ota/")
    return (mac, name) if is_mac(mac) and name else None


def is_mac(text: str) -> bool:
    return bool(_MAC.fullmatch(text))


def parse(payload: bytes) -> dict[str, Any] | None:
    """The envelope, or None if it is none."""
    if len(payload) > LONGEST:
        return None
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def sequence(payload: bytes) -> int | None:
    """The number of a `get`, or None if it is none."""
    number = (parse(payload) or {}).get("msg_sequence")
    return number if _is_integer(number, 0, _SEQUENCES) else None


def confirmed_by(payload: bytes) -> str:
    """The version that a `get` names as good, "" if it names none: it runs, and not on trial."""
    message = parse(payload) or {}
    return clean(message.get("version")) if message.get("state") in ("idle", "waiting", "updating") else ""


def report(name: str, payload: bytes) -> Report | None:
    """What stands in a report; None for what is none. Unknown fields are left out."""
    message = parse(payload) or {}
    data = message.get("data")
    if not isinstance(data, dict):
        return None
    if name == REPORT:
        return _started(data, clean(message.get("state")))
    if _is_integer(data.get("errorCode"), -99999, -1):
        cause = " ".join(filter(None, (clean(data.get(name)) for name in ("version", "cause", "field"))))
        return Report("error", code=data["errorCode"], cause=cause)
    if data.get("state") == "verified":
        return Report("verified", progress=100)
    if data.get("state") == "confirmed":
        return Report("confirmed", clean(data.get("version")))
    if _is_integer(data.get("progress"), 0, 100):
        return Report("progress", progress=data["progress"])
    return None


def _started(data: dict[str, Any], state: str) -> Report | None:
    version = clean(data.get("version"))
    if data.get("type") not in ("INIT", "UPDATE") or not version:
        return None
    return Report("started", version, clean(data.get("build_time")), clean(data.get("slot")), state=state)


def clean(text: object) -> str:
    """At most 64 printable characters of what should be a text: it goes to terminals and into logs."""
    if not isinstance(text, str):
        return ""
    return "".join(character for character in text[:_TEXT_LIMIT] if character.isprintable())


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
