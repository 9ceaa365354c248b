"""Good heads of a file server, sessions of a broker and answers of a time server, with what must come out."""

from __future__ import annotations

import re
import time
from typing import Any

import fakebroker
from good_messages import PATH_CHARS, URL, urls
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from device import errors

OLDEST, SPAN, ERA_END = 1767225600, 630720000, 2085978496
ETAG_CHARS = "abcABC019-._/!#$%&'*+,:;<=>?@[]^`{|}~\\"
CASES = (str, str.lower, str.upper, str.title)

numbers = st.integers(0, 9_999_999_999)


@st.composite
def heads(draw: DrawFn) -> tuple[bytes, dict]:
    status = draw(st.integers(200, 599))
    found: dict[str, Any] = {
        "status": status, "length": -1, "span": None, "retry_after": 0, "etag": None, "location": None,
        "plain": True,
    }  # fmt: skip
    fields = draw(
        st.dictionaries(st.sampled_from(("X-A", "Server", "Date")), st.text(PATH_CHARS), max_size=3)
    )
    if draw(st.booleans()):
        found["length"] = draw(numbers)
        fields["Content-Length"] = str(found["length"])
    if draw(st.booleans()):
        found["span"] = span = (draw(numbers), draw(numbers), draw(numbers))
        fields["Content-Range"] = "bytes {}-{}/{}".format(*span)
    if draw(st.booleans()):
        found["retry_after"] = draw(numbers)
        fields["Retry-After"] = str(found["retry_after"])
    if draw(st.booleans()):
        found["etag"] = fields["ETag"] = '"' + draw(st.text(ETAG_CHARS, max_size=30)) + '"'
    if draw(st.booleans()):
        found["location"] = fields["Location"] = draw(urls(draw(st.sampled_from(("http", "https")))))[0]
    if draw(st.integers(0, 3)) == 0:
        fields["Transfer-Encoding"], found["plain"] = "chunked", False
    lines = [f"HTTP/1.{draw(st.integers(0, 1))} {status}{draw(st.sampled_from(('', ' OK', ' Not so good')))}"]
    for name in draw(st.permutations(sorted(fields))):
        blank = draw(st.sampled_from(("", " ", " \t")))
        lines.append(draw(st.sampled_from(CASES))(name) + ":" + blank + fields[name])
    end = draw(st.sampled_from(("\r\n", "\n")))
    head = (end.join(lines) + end + end).encode()
    return head, found | {"taken": len(head)}


head_cases = st.tuples(heads(), st.binary(max_size=40)).map(lambda pair: (pair[0][0] + pair[1], pair[0][1]))


ODD_FIELDS = (
    "Content-Length: 5", "Content-Length: 6", "Content-Length: 05", "content-length:", "Content-Length: -1",
    "Content-Length: 5, 5", "Content-Length: 99999999999", "Content-Range: bytes 1-2/3",
    "Content-Range: bytes 1-2/*", "Content-Range: bytes */3", "Content-Range: items 1-2/3",
    "Content-Range: bytes=1-2/3", "Content-Range: bytes -1-2/3", 'ETag: "a"', 'ETag: W/"a"', 'ETag: "',
    "ETag: a", 'ETag: "a', 'ETag: a"', 'ETag: "a b"', f'ETag: "{"a" * 126}"', f'ETag: "{"a" * 127}"',
    "Retry-After: -5", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT",
    "Retry-After: 5", "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: Identity", "Content-Encoding: gzip", "Content-Encoding: IDENTITY", "Location: /a",
    "Location: //b/a", "Location: http://b/a", "Location: https://b/a", "Location: ftp://b/a", "Location:",
    "Location: HTTPS://b/a", "Location: a", "no colon", ": no name", " folded: x",
)  # fmt: skip
ODD_STATUS = ("HTTP/1.1 200 OK", "HTTP/1.1 302 Found", "HTTP/1.1 99", "HTTP/1.1 600", "HTTP/2 200")


@st.composite
def odd_heads(draw: DrawFn) -> bytes:
    """Fields that are half right, often several of the same name."""
    lines = [draw(st.sampled_from(ODD_STATUS[:2] * 4 + ODD_STATUS))]
    name = draw(st.sampled_from(ODD_FIELDS)).partition(":")[0]
    same = [field for field in ODD_FIELDS if field.partition(":")[0] == name]
    lines += draw(st.lists(st.sampled_from(same), max_size=3))
    lines += draw(st.lists(st.sampled_from(ODD_FIELDS), max_size=2))
    return "\r\n".join([*lines, "", ""]).encode()


def head_rule(raw: bytes, value: Any) -> bool:
    """What was taken ends with an empty line, and the last answer in it says each thing that is accepted."""
    sections = re.split(rb"\n\r*\n", raw[: value["taken"]])
    if not re.search(rb"\n\r*\n$", raw[: value["taken"]]) or sections[-1] != b"" or value["taken"] > 4096:
        return False
    status, *lines = sections[-2].decode().split("\n")
    said: dict[str, list[str]] = {}
    for line in lines:
        name, _, text = line.partition(":")
        said.setdefault(name.lower(), []).append(text.strip())
    codings = said.get("transfer-encoding", []) + said.get("content-encoding", [])
    return (
        re.fullmatch(rf"HTTP/1\.[01] 0*{value['status']}( .*)?\r*", status) is not None
        and all(
            re.fullmatch(r"HTTP/1\.[01] 0*1[0-9][0-9]\b.*", part.decode(), re.S) for part in sections[:-2]
        )
        and 100 <= value["status"] <= 599
        and {_number(text) for text in said.get("content-length", [])} <= {value["length"]}
        and (value["length"] >= 0) == ("content-length" in said)
        and value["span"] == _span(said.get("content-range", [None])[-1])
        and value["retry_after"] == max(0, _number(said.get("retry-after", ["0"])[-1]))
        and value["etag"] == _etag(said.get("etag", [""])[-1])
        and value["location"] == said.get("location", [None])[-1]
        and (not value["plain"] or all(text.lower() == "identity" for text in codings))
    )


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else -1


def _span(text: str | None) -> tuple | None:
    match = re.fullmatch(r"bytes ([0-9]{1,10})-([0-9]{1,10})/([0-9]{1,10})", text or "", re.I)
    return None if text is None else tuple(map(int, match.groups())) if match else ()


def _etag(text: str) -> str | None:
    return text if re.fullmatch(r'"[!-~]{0,126}"', text) else None


@st.composite
def redirects(draw: DrawFn) -> tuple[bytes, object]:
    """Absolute to either scheme, or another path of the same host."""
    refused = errors.HTTP_STATUS
    kind = draw(st.sampled_from(("http", "https", "path")))
    if kind == "path":
        location = "/" + draw(st.text(PATH_CHARS.replace("/", ""), max_size=30))
        expected = [(scheme, "files", 8080, location) for scheme in ("http", "https")]
    else:
        location, target = draw(urls(kind))
        expected = [(kind, *target), (kind, *target) if kind == "https" else refused]
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode(), expected


def redirect_rule(raw: bytes, value: Any) -> bool:
    """Never from https to http; and it leads where the Location says, or to the same host."""
    locations = re.findall(rb"(?im)^location:(.*)$", raw)
    for origin, target in zip(("http", "https"), value, strict=True):
        if target == errors.HTTP_STATUS:
            continue
        scheme, host, port, path = target
        whole = f"{scheme}://{host}:{port}{path}"
        if origin == "https" and scheme != "https" or not URL.fullmatch(whole) or not 0 < port < 65536:
            return False
        if not any(_leads(text.decode().strip(), scheme, host, path) for text in locations):
            return False
    return True


def _leads(location: str, scheme: str, host: str, path: str) -> bool:
    if location.startswith("/"):
        return (host, path) == ("files", location.split("#")[0]) and location[1:2] != "/"
    return location.startswith(f"{scheme}://{host}") and path.lstrip("/") in location


TOPIC = "wm_iot/AABBCCDDEEFF/ota/"
names = st.sampled_from(("update", "response", "other"))
payloads = st.one_of(st.binary(max_size=40), st.sampled_from((b"", b"x" * 4096, b"x" * 5000)))


@st.composite
def sessions(draw: DrawFn) -> tuple[bytes, list]:
    """All that a broker sends to a client that connects, subscribes twice, publishes once, and receives. Of
    what comes before the last acknowledgement, the link keeps the newest four."""
    stream = bytes([draw(st.integers(0, 3)), 0x20, 2, draw(st.integers(0, 1)), 0])
    early: list = []
    for answer in (b"\x90\x03\0\1\1", b"\x90\x03\0\2\1", b"\x40\2\0\3"):
        packets, messages = draw(publishes(2))
        early += messages
        stream += packets + answer
    packets, late = draw(publishes(3))
    return stream + packets, early[-4:] + late


@st.composite
def publishes(draw: DrawFn, most: int) -> tuple[bytes, list]:
    stream, messages = b"", []
    for _ in range(draw(st.integers(0, most))):
        name, payload = draw(names), draw(payloads)
        packet = fakebroker.publish((TOPIC + name).encode(), payload, draw(st.integers(1, 65535)))
        stream += packet + draw(st.sampled_from((b"", b"", b"\xd0\0")))
        if name != "other":
            messages.append([name, payload if len(payload) <= 4096 else b""])
    return stream, messages


def mqtt_rule(raw: bytes, value: Any) -> bool:
    """Greeted and acknowledged; and each message is short and stands in what was sent, with its topic."""
    good = raw[1:3] == b"\x20\2" and raw[4:5] == b"\0" and b"\x40\2\0\3" in raw and len(value) <= 12
    for name, payload in value:
        good = good and len(payload) <= 4096 and payload in raw and (TOPIC + name).encode() in raw
        good = good and name in ("update", "response")
    return good


@st.composite
def ntp_answers(draw: DrawFn) -> tuple[bytes, list]:
    seconds = draw(st.integers(OLDEST, OLDEST + SPAN).filter(lambda number: number != ERA_END))
    stamp = (seconds + 2208988800) % 2**32
    packet = draw(st.binary(min_size=40, max_size=40)) + stamp.to_bytes(4, "big") + bytes(4)
    return packet, list(time.gmtime(seconds)[:6])


def ntp_rule(raw: bytes, value: Any) -> bool:
    seconds = int.from_bytes(raw[40:44], "big") - 2208988800
    seconds += 2**32 if seconds < OLDEST - 86400 * 800 else 0
    plausible = OLDEST <= seconds <= OLDEST + SPAN and seconds != ERA_END
    return plausible and len(raw) >= 44 and value == list(time.gmtime(seconds)[:6])
