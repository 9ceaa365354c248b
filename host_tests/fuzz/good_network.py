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

NEEDED = (
    "content-length", "content-range", "content-encoding", "transfer-encoding", "retry-after", "etag",
    "location",
)  # fmt: skip
CONTROLS = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r[^\n]")
PLAIN = ("", "identity", "Identity", "aws-chunked", "aws-chunked,", "aws-chunked, identity")

numbers = st.integers(0, 9_999_999_999)
UNNEEDED = st.one_of(
    st.text(PATH_CHARS), st.text("a: \t\xe9\xdf\xff;=\"", max_size=20),
    st.sampled_from(("default-src 'none'; " * 180, "folded\n again\n\tand again", "max-age=1; \xb5")),
)  # fmt: skip


@st.composite
def heads(draw: DrawFn) -> tuple[bytes, dict]:
    status = draw(st.integers(200, 599))
    found: dict[str, Any] = {
        "status": status, "length": -1, "span": None, "retry_after": 0, "etag": None, "location": None,
        "coding": None,
    }  # fmt: skip
    fields = draw(st.dictionaries(st.sampled_from(("X-A", "Server", "Date")), UNNEEDED, max_size=3))
    if draw(st.booleans()):
        found["length"] = draw(numbers)
        fields["Content-Length"] = ", ".join([str(found["length"])] * draw(st.sampled_from((1, 1, 2, 3))))
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
        fields["Transfer-Encoding"], found["coding"] = "chunked", ("transfer-encoding", "chunked")
    elif draw(st.booleans()):
        fields["Content-Encoding"] = draw(st.sampled_from(PLAIN))
    lines = [f"HTTP/1.{draw(st.integers(0, 1))} {status}{draw(st.sampled_from(('', ' OK', ' Not so good')))}"]
    for name in draw(st.permutations(sorted(fields))):
        blank = draw(st.sampled_from(("", " ", " \t")))
        lines.append(draw(st.sampled_from(CASES))(name) + ":" + blank + fields[name] + blank)
    end = draw(st.sampled_from(("\r\n", "\n")))
    head = (end.join(lines) + end + end).encode(draw(st.sampled_from(("utf-8", "latin-1"))))
    return head, found | {"taken": len(head)}


head_cases = st.tuples(heads(), st.binary(max_size=40)).map(lambda pair: (pair[0][0] + pair[1], pair[0][1]))


ODD_FIELDS = (
    "Content-Length: 5", "Content-Length: 6", "Content-Length: 05", "content-length:", "Content-Length: -1",
    "Content-Length: 5, 5", "Content-Length: 5,6", "Content-Length: 5,", "Content-Length : 7", "X: \xe9\xff",
    "Content-Encoding:", "Content-Encoding: aws-chunked", "Content-Encoding: aws-chunked, gzip", "\tfolded",
    "X: y", "Location: \xe9", "Location: ?a", "Location: ../a/./b", "Location: a/..", "Location: hTTp://B",
    "Location: #a", "Location: a:b", "Location: a b", "Location: //u@b/",
    "Content-Length: 99999999999", "Content-Range: bytes 1-2/3",
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
    head = raw[: value["taken"]]
    if len(head) > 16384 or not head.endswith(b"\n") or CONTROLS.search(head):
        return False
    lines = [line.removesuffix("\r") for line in head.decode("latin-1").split("\n")][:-1]
    last = max((number for number, line in enumerate(lines[:-1]) if not line), default=-1) + 1
    interim = "\n".join(lines[:last])
    status, *fields, end = lines[last:]
    said: dict[str, list[str]] = {name: [] for name in NEEDED}
    above = "status"
    for line in fields:
        name, colon, text = line.partition(":")
        if line[0] in " \t":
            if above in ("status", *NEEDED):
                return False
            continue
        if not colon:
            return False
        above = name.lower()
        said.setdefault(above, []).append(text.strip(" \t"))
    lengths = {_number(part.strip(" \t")) for text in said["content-length"] for part in text.split(",")}
    return (
        end == ""
        and re.match(rf"HTTP/1\.[01] 0*{value['status']}( |$)", status) is not None
        and re.fullmatch(r"(HTTP/1\.[01] 0*1[0-9][0-9]( [^\n]*)?\n([^\n]+\n)*(\n|$))*", interim) is not None
        and 100 <= value["status"] <= 599
        and lengths == ({value["length"]} if value["length"] >= 0 else set())
        and value["span"] == _span((said["content-range"] or [None])[-1])
        and value["retry_after"] == max(0, _number((said["retry-after"] or ["0"])[-1]))
        and value["etag"] == _etag((said["etag"] or [""])[-1])
        and value["location"] == _encoded((said["location"] or [None])[-1])
        and (value["coding"] is None) == (not _codings(said))
    )


def _codings(said: dict[str, list[str]]) -> list[str]:
    """What the body is not the file itself for."""
    kept = [part.strip(" \t").lower() for text in said["content-encoding"] for part in text.split(",")]
    return said["transfer-encoding"] + [one for one in kept if one not in ("", "identity", "aws-chunked")]


def _encoded(text: str | None) -> str | None:
    return text and "".join(char if char < "\x80" else f"%{ord(char):02X}" for char in text)


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else -1


def _span(text: str | None) -> tuple | None:
    match = re.fullmatch(r"bytes ([0-9]{1,10})-([0-9]{1,10})/([0-9]{1,10})", text or "", re.I)
    return None if text is None else tuple(map(int, match.groups())) if match else ()


def _etag(text: str) -> str | None:
    return text if re.fullmatch(r'"[!-~]{0,126}"', text) else None


BASE = "://files:8080/dir/old?x"
SEGMENT = st.sampled_from(("a", "b.c", ".", "..", "...", "", "a:b", "%2e"))
SEGMENTS = st.lists(SEGMENT, max_size=6).map("/".join)
REFERENCE = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?]*))?([^?]*)(\?.*)?")


@st.composite
def redirects(draw: DrawFn) -> tuple[bytes, object]:
    """Absolute to either scheme, or relative in each way of RFC 3986."""
    kind = draw(st.sampled_from(("absolute", "host", "path", "relative", "query")))
    path = draw(SEGMENTS) + draw(st.sampled_from(("", "?", "?c=/d/../e", "?https://o/", "#f", "#f?../g")))
    location = {
        "absolute": draw(st.sampled_from(("http://o", "HTTPS://O", "https://o:8443"))) + "/" + path,
        "host": "//o/" + path, "path": "/" + path.lstrip("/"), "relative": "x/" + path, "query": "?" + path,
    }[kind]  # fmt: skip
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode()
    return head, [resolved(scheme, location) for scheme in ("http", "https")]


def redirect_rule(raw: bytes, value: Any) -> bool:
    """Never from https to http; and it leads where the Location says."""
    locations = re.findall(rb"(?im)^location:([^\r\n]*)", raw)
    for scheme, target in zip(("http", "https"), value, strict=True):
        if target == errors.HTTP_STATUS:
            continue
        found, host, port, path = target
        if scheme == "https" and found != "https" or not URL.fullmatch(f"{found}://{host}:{port}{path}"):
            return False
        if target not in [resolved(scheme, _encoded(text.decode("latin-1").strip())) for text in locations]:
            return False
    return True


def resolved(scheme: str, location: str | None) -> Any:
    """Where a Location leads from BASE, by the letter of RFC 3986; -10039 if it is no place for a board."""
    match = REFERENCE.fullmatch((location or "").split("#")[0])
    if not match or not match[0]:
        return errors.HTTP_STATUS
    found, authority, path, query = match.groups()
    if authority is None:
        if found:
            return errors.HTTP_STATUS
        authority = "files:8080"
        if not path:
            path = "/dir/old"
        elif path[0] != "/":
            path = "/dir/" + path
    found = (found or scheme).lower()
    parts = URL.fullmatch(f"{found}://{authority}")
    if not parts or (scheme, found) == ("https", "http") or found not in ("http", "https"):
        return errors.HTTP_STATUS
    port = int(parts[3]) if parts[3] else {"http": 80, "https": 443}[found]
    return found, parts[2], port, (_without_dots(path) or "/") + (query or "")


def _without_dots(path: str) -> str:
    """Section 5.2.4, step by step."""
    done = ""
    while path:
        if path.startswith("/./") or path == "/.":
            path = "/" + path[3:]
        elif path.startswith("/../") or path == "/..":
            path = "/" + path[4:]
            done = done[: done.rfind("/")] if done else ""
        else:
            cut = path.find("/", 1) if "/" in path[1:] else len(path)
            done, path = done + path[:cut], path[cut:]
    return done


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
def publishes(draw: DrawFn, max_count: int) -> tuple[bytes, list]:
    stream, messages = b"", []
    for _ in range(draw(st.integers(0, max_count))):
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
