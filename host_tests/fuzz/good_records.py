"""Good configurations, state records and journals, with what must come out; rules from CONFIGURATION.md."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from typing import Any

import makeoffer
import targets_records
from good_messages import versions
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from device import errors

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
seconds = st.integers(1, 86400)
ssids = names.filter(lambda name: len(name.encode()) <= 32)
passwords = st.one_of(
    st.just(""),
    st.text(st.characters(exclude_categories=("Cs",)), min_size=8, max_size=15),
    st.text("0123456789abcdefABCDEF", min_size=64, max_size=64),
)
hosts = names.filter(lambda name: not set(name) & set("/:*@ "))
OPTIONAL: dict[str, SearchStrategy] = {
    "format": st.just(1), "broker_user": texts, "broker_password": texts, "topic_prefix": names,
    "broker_ca": names, "client_cert": names, "client_key": names, "file_ca": names, "signing_key": names,
    "next_signing_key": names, "require_signed_offer": st.booleans(),
    "image": st.sampled_from(("esp32", "wm", "raw")), "accept_unversioned": st.booleans(),
    "require_rollback": st.booleans(), "language": st.sampled_from(("en", "zh")),
    "ntp_hosts": st.lists(hosts, min_size=1, max_size=8), "ntp_resync_s": seconds,
    "check_interval_s": st.integers(0, 31536000), "wifi_timeout_s": seconds, "mqtt_timeout_s": seconds,
    "subscribe_timeout_s": seconds, "publish_timeout_s": seconds, "keepalive_s": st.integers(1, 65535),
    "http_timeout_s": seconds, "retry_window_s": seconds, "checkpoint_kib": st.integers(4, 16384),
    "backoff_min_s": seconds, "backoff_max_s": seconds, "trial_limit_s": seconds,
    "trial_attempts": st.integers(1, 100), "watchdog_s": st.integers(0, 86400),
    "file_hosts": st.lists(hosts, max_size=3), "refuse_s": st.integers(0, 31536000),
}  # fmt: skip
REQUIRED: dict[str, SearchStrategy] = {
    "wifi": st.lists(st.tuples(ssids, passwords).map(list), min_size=1, max_size=4),
    "broker": st.sampled_from(("mqtts://broker", "mqtt://10.0.0.1:1884", "mqtts://b.example:8883")),
    "board": names,
}
RANGES = {
    "format": (1, 100), "check_interval_s": (0, 31536000), "keepalive_s": (1, 65535),
    "checkpoint_kib": (4, 16384), "trial_attempts": (1, 100), "watchdog_s": (0, 86400),
    "refuse_s": (0, 31536000),
}  # fmt: skip
CHOICES = {"image": ("esp32", "wm", "raw"), "language": ("en", "zh")}
DEFAULTS = {name: default for name, (default, *_) in targets_records.config_table.KEYS.items()}

config_objects = st.fixed_dictionaries(REQUIRED, optional=OPTIONAL)
config_cases = config_objects.map(lambda values: (json.dumps(values).encode(), DEFAULTS | values))


def config_rule(raw: bytes, value: Any) -> bool:
    """Every value is the one of the file, or else the default, and in CONFIGURATION.md's range."""
    written = json.loads(raw)
    return (
        all(value[name] == written.get(name, DEFAULTS[name]) for name in DEFAULTS)
        and all(name in written for name in REQUIRED)
        and (set(written) <= set(DEFAULTS) or value["format"] > targets_records.config_table.FORMAT)
        and all(_is_right(name, value[name]) for name in DEFAULTS)
    )


def _is_right(name: str, value: Any) -> bool:
    if name == "wifi":
        return 0 < len(value) <= 16 and all(len(pair) == 2 and _can_join(*pair) for pair in value)
    if name == "broker":
        return re.match(r"mqtts?://[!-~]+$", value) is not None
    if name in ("ntp_hosts", "file_hosts"):
        low, high = (1, 8) if name == "ntp_hosts" else (0, 32)
        are_right = all(isinstance(host, str) and re.fullmatch("[^/:*@ ]{1,253}", host) for host in value)
        return low <= len(value) <= high and are_right
    if isinstance(DEFAULTS[name], bool):
        return isinstance(value, bool)
    if isinstance(DEFAULTS[name], int):
        low, high = RANGES.get(name, (1, 86400))
        return type(value) is int and low <= value <= high
    return (
        isinstance(value, str)
        and len(value) <= (4096 if name.startswith("broker_") else 128)
        and value in CHOICES.get(name, (value,))
    )


def _can_join(name: object, password: object) -> bool:
    """As ESP-IDF has room for them, in bytes."""
    if not isinstance(name, str) or not isinstance(password, str):
        return False
    size = len(password.encode(errors="surrogatepass"))
    is_key = size == 64 and re.fullmatch("[0-9a-fA-F]{64}", password) is not None
    return 1 <= len(name.encode(errors="surrogatepass")) <= 32 and (size == 0 or 8 <= size <= 63 or is_key)


records = st.fixed_dictionaries(
    {"version": versions, "build_time": texts, "size": st.integers(1, 2**31), "digest": texts}
)
trials = st.tuples(
    records,
    st.fixed_dictionaries({"signature": texts, "attempts": st.integers(0, 3), "excuses": st.integers(0, 9)}),
).map(lambda pair: pair[0] | pair[1])
failures = st.fixed_dictionaries(
    {
        "offer": st.tuples(texts, texts, st.integers()).map(list), "starts": st.integers(0, 9),
        "position": st.integers(0, 2**31), "code": st.sampled_from((0, errors.TIMEOUT, errors.SHA256_ECDSA)),
        "count": st.integers(0, 99), "until": st.integers(0, 2**33), "faults": st.integers(0, 99),
        "rest": st.integers(0, 2**33),
    }
)  # fmt: skip
PARTS: dict[str, SearchStrategy] = {
    "slots": st.dictionaries(st.sampled_from(("ota_0", "ota_1")), records),
    "trial": trials,
    "waiting": st.builds(makeoffer.fields),  # anew each time: what bends it changes it
    "failed": failures,
    "floor": versions,
    "refused": st.lists(records, max_size=8),
    "wear": st.lists(st.integers(0, 86400), min_size=4, max_size=4),
    "known_time": st.integers(1, 2**33),
    "doubts": st.integers(1, 200),
}
state_objects = st.fixed_dictionaries({"format": st.just(1)}, optional=PARTS)


def _state_case(values: dict) -> tuple[bytes, dict]:
    expected = {name: values.get(name) for name in PARTS}
    expected["slots"] = values.get("slots", {})
    refused = values.get("refused", [])  # of an image that wrote no times
    expected["refused"] = [entry | {"at": 0, "pause_s": 0} for entry in refused if entry["digest"]]
    expected["floor"] = tuple(map(int, values["floor"].split("."))) if "floor" in values else None
    expected["known_time"], expected["doubts"] = values.get("known_time", 0), values.get("doubts", 0)
    return json.dumps(values).encode(), expected


state_cases = state_objects.map(_state_case)


TEXTS = ("version", "build_time", "digest")


def state_rule(raw: bytes, value: Any) -> bool:
    """Any file is taken; every part of it is of its kind, or as if it were not there."""
    records = [*value["slots"].values(), *([value["trial"]] if value["trial"] else [])]
    return (
        all(isinstance(value[name], dict | None) for name in ("trial", "waiting", "failed"))
        and all(isinstance(record["size"], int) for record in records)
        and all(isinstance(record[key], str) for record in records for key in TEXTS)
        and (not value["trial"] or isinstance(value["trial"]["attempts"], int))
        and all(isinstance(entry, dict) for entry in value["refused"])
        and (value["wear"] is None or all(type(number) is int for number in value["wear"]))
        and all(type(value[name]) is int and value[name] >= 0 for name in ("known_time", "doubts"))
        and (value["floor"] is None or len(value["floor"]) == 3)
    )  # fmt: skip


def binding() -> bytes:
    return hashlib.sha256(makeoffer.SIGNATURE + b"1.2.3 10000").digest()


@st.composite
def journal_records(draw: DrawFn, whose: SearchStrategy[bytes]) -> tuple[tuple[int, int, str | None], bytes]:
    sequence, position = draw(st.integers(0, 2**32 - 2)), draw(st.integers(0, 2**32 - 1))
    tag = draw(st.one_of(st.none(), st.text("abc019", max_size=40).map('"{}"'.format)))
    raw = (tag or "").encode()
    owner = draw(whose)
    record = struct.pack("<4sII32s128s", b"OTJ2", sequence, position, owner, raw)
    record += zlib.crc32(record).to_bytes(4, "little")
    return (sequence, position, tag) if owner == binding() else (sequence, 0, None), record


@st.composite
def journals(draw: DrawFn) -> tuple[bytes, object]:
    """Two records, one, or none; of this offer or of another one."""
    whose = st.sampled_from((binding(), binding(), bytes(32)))
    found, files = [], []
    for _ in range(2):
        meaning, record = draw(journal_records(whose))
        if draw(st.integers(0, 3)):
            found.append(meaning)
        files.append(record if meaning in found else b"")
    newest = max(found, key=lambda meaning: meaning[0], default=(0, 0, None))
    if len(found) == 2 and found[0][0] == found[1][0]:
        newest = found[0]
    return bytes([len(files[0])]) + files[0] + files[1], (newest[1], newest[2])


def journal_rule(raw: bytes, value: Any) -> bool:
    """A position counts only if a whole record of this offer says so."""
    position, tag = value
    length = raw[0] if raw else 0
    for record in (raw[1 : 1 + length], raw[1 + length :]):
        wanted = struct.pack("<I32s128s", position, binding(), (tag or "").encode())
        is_whole = zlib.crc32(record[:-4]).to_bytes(4, "little") == record[-4:]
        if is_whole and record[:4] == b"OTJ2" and record[8:-4] == wanted:
            return True
    return value == (0, None)
