"""Good offers, versions, build times and URLs: each as (bytes, what the parser must make of them), and the
rules that whatever is accepted must keep, written from PROTOCOL.md."""

from __future__ import annotations

import base64
import calendar
import json
import re
from typing import Any

import hostile
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

SCHEMES = ("http", "https", "mqtt", "mqtts")
PORTS = {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HOST_CHARS = "abcxyzABC019-._~!$&'()*+,;=%"
PATH_CHARS = HOST_CHARS + "/:@?[]"
URL = re.compile(
    r"(https?|mqtts?)://([!$-.0-9;=A-Z\[\]_a-z~]{1,253})(?::([0-9]{1,5}))?((?:[/?][!$-;=?-Z\[\]_a-z~]*)?)"
    r"(?:#[!#-;=?-\[\]_a-z~]*)?"
)
VERSION = re.compile(r"(0|[1-9][0-9]?)\.(0|[1-9][0-9]?)\.(0|[1-9][0-9]?)")

versions = st.lists(st.integers(0, 99), min_size=3, max_size=3).map(lambda parts: ".".join(map(str, parts)))
signatures = st.binary(min_size=6, max_size=96)


@st.composite
def urls(draw: DrawFn, scheme: str) -> tuple[str, tuple[str, int, str]]:
    host = draw(st.text(HOST_CHARS, min_size=1, max_size=20))
    port = draw(st.one_of(st.none(), st.integers(1, 65535)))
    path = draw(st.one_of(st.just(""), st.text(PATH_CHARS, max_size=40).map("/".__add__)))
    query = draw(st.sampled_from(("", "?", "?token=a%20b")))
    fragment = draw(st.sampled_from(("", "#", "#a/b?c#d")))
    text = f"{scheme}://{host}{'' if port is None else f':{port}'}{path}{query}{fragment}"
    return text, (host, port or PORTS[scheme], (path or "/") + query)


@st.composite
def url_cases(draw: DrawFn) -> tuple[bytes, object]:
    number = draw(st.integers(0, 3))
    text, parts = draw(urls(SCHEMES[number]))
    return bytes([number]) + text.encode(), parts


ODD_HOSTS = ("h", "", "u@h", "u:p@h", "[::1]", "h:80", "a" * 253, "a" * 254)
ODD_PORTS = ("", ":", ":0", ":00080", ":65535", ":65536", ":99999", ":100000", ":-1", ":+1", ":8 0")
odd_urls = st.tuples(
    st.integers(0, 3),
    st.sampled_from(ODD_HOSTS),
    st.sampled_from(ODD_PORTS),
    st.sampled_from(("", "/", "?", "#")),
).map(lambda parts: bytes(parts[:1]) + f"{SCHEMES[parts[0]]}://{parts[1]}{parts[2]}{parts[3]}".encode())


def url_rule(raw: bytes, value: Any) -> bool:
    match = URL.fullmatch(raw[1:].decode())
    if not match or match[1] != SCHEMES[raw[0] & 3]:
        return False
    rest = match[4] if match[4].startswith("/") else "/" + match[4]
    port = int(match[3]) if match[3] else PORTS[match[1]]
    return value == (match[2], port, rest) and 0 < port < 65536


def version_rule(raw: bytes, value: Any) -> bool:
    match = VERSION.fullmatch(raw.decode())
    return bool(match) and value == tuple(map(int, match.groups()))


version_cases = versions.map(lambda text: (text.encode(), tuple(map(int, text.split(".")))))


@st.composite
def times(draw: DrawFn) -> tuple[int, int]:
    """(as it stands in a message, Unix seconds)."""
    seconds = draw(st.one_of(st.integers(0, 99_999_999_999), st.sampled_from((10**8, 99_999_999_999))))
    if seconds < 10**8 or draw(st.booleans()):
        return seconds, seconds
    return seconds * 1000 + draw(st.sampled_from((0, 1, 999))), seconds


@st.composite
def build_times(draw: DrawFn) -> tuple[bytes, object]:
    year, month = draw(st.integers(2000, 2037)), draw(st.integers(1, 12))
    day = draw(st.integers(1, calendar.monthrange(year, month)[1]))
    hour, minute, second = draw(st.integers(0, 23)), draw(st.integers(0, 59)), draw(st.integers(0, 59))
    text = f"{MONTHS[month - 1]} {day:2d} {year} {hour:02d}:{minute:02d}:{second:02d}"
    return text.encode(), calendar.timegm((year, month, day, hour, minute, second))


def build_time_rule(raw: bytes, value: Any) -> bool:
    """A month by name, then five numbers in range; what is accepted is a time of the years 2000 to 2100."""
    name, *numbers = raw.decode().replace(":", " ").split()
    day, year, hour, minute, second = map(int, numbers)
    moment = (year, MONTHS.index(name) + 1, day, hour, minute, second)
    return value == calendar.timegm(moment) and 2000 <= year <= 2100 and day <= 31


@st.composite
def offers(draw: DrawFn) -> tuple[dict, dict]:
    """(message, the values of the Offer)."""
    data: dict[str, Any] = draw(
        st.dictionaries(st.text(hostile.characters, max_size=5), hostile.values, max_size=2)
    )
    signature, version = draw(signatures), draw(versions)
    delay, start_at = draw(st.one_of(st.just((None, 0)), times()))
    data |= {"version": version, "size": draw(st.integers(65, 2**31))}
    data["sig-sha256-ecdsa"] = base64.b64encode(signature).decode()
    if delay is not None:
        data["upgrade_delay"] = delay
    for scheme in draw(st.sampled_from((("http",), ("https",), ("http", "https")))):
        data[scheme + "_url"] = url = draw(urls(scheme))[0]
    sequence = draw(st.one_of(st.integers(0, 2**32), hostile.values))  # nobody looks at it, nor at the time
    message = {"msg_sequence": sequence, "time": draw(st.one_of(st.integers(), hostile.values)), "data": data}
    expected = {
        "version": version, "url": url, "size": data["size"], "signature": signature,
        "signature_text": data["sig-sha256-ecdsa"], "start_at": start_at,
    }  # fmt: skip
    return message, expected


offer_objects = offers().map(lambda case: case[0])
offer_cases = offers().map(lambda case: (json.dumps(case[0]).encode(), case[1]))


def offer_rule(raw: bytes, value: Any) -> bool:
    """Each field obeys PROTOCOL.md, read with CPython's own JSON."""
    message = json.loads(raw)
    data = message["data"]
    scheme = "http" if data.get("https_url") in (None, "") else "https"
    url = data.get(scheme + "_url")
    decoded = base64.b64decode(data["sig-sha256-ecdsa"], validate=True)
    delay = data.get("upgrade_delay")
    size, delay = _whole(data["size"]), 0 if delay is None else _whole(delay)
    ranges = ((size, 65, 2**31), (delay, 0, 10**14))
    expected = {
        "version": data["version"], "url": url, "size": size,
        "signature": decoded, "signature_text": base64.b64encode(decoded).decode(),
        "start_at": min(delay // 1000, 10**11 - 1) if delay >= 10**11 else delay,
    }  # fmt: skip
    return (
        value == expected
        and data["sig-sha256-ecdsa"] == expected["signature_text"]
        and all(type(number) is int and low <= number <= high for number, low, high in ranges)
        and VERSION.fullmatch(data["version"]) is not None
        and _is_url(url, scheme)
        and url.startswith(scheme + "://")
        and 6 <= len(decoded) <= 96
    )


def _whole(value: object) -> object:
    """1e4 is 10000, as far as a board's floats are exact."""
    return int(value) if isinstance(value, float) and 0 <= value < 2**24 and value % 1 == 0 else value


def _is_url(text: object, scheme: str) -> bool:
    match = URL.fullmatch(text) if isinstance(text, str) else None
    return match is not None and match[1] == scheme


json_cases = st.dictionaries(
    hostile.texts,
    st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), hostile.texts),
    max_size=6,
).map(lambda value: (json.dumps(value).encode(), value))


def json_rule(raw: bytes, value: Any) -> bool:
    return isinstance(value, dict) and repr(json.loads(raw)) == repr(value)
