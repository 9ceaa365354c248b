"""Attacks by the file server's answer: heads and bodies that lie, never end, or come one byte a second."""

from __future__ import annotations

from collections.abc import Iterator

from device import errors
from tools.torture.attacks.cases import Case, attack, control
from tools.torture.attacks.forge import Ground
from tools.torture.fixture import BLOCK

_SHORT = {"config": {"retry_window_s": 20, "http_timeout_s": 5}, "ends_ms": 200_000}
_ENDLESS = {  # what comes first, what follows for ever
    "headers": ("HTTP/1.1 200 X\r\n", "X-A: b\r\n"), "line": ("HTTP/1.1 200 X\r\nX: ", "y" * 64),
    "status": ("HTTP/1.1 ", "2" * 64), "nothing": ("", "\r\n"), "nul": ("", "\0" * 64),
    "continue": ("", "HTTP/1.1 100 Continue\r\n\r\n"),
}  # fmt: skip


def bodies(ground: Ground) -> Iterator[Case]:
    size = len(ground.images["new"])
    yield from _lengths(size)
    yield from _encodings()
    yield from _ranges(size)
    yield from _without_end()
    for name, head in _heads(size).items():
        codes = (errors.HTTP_STATUS, errors.SIZE_MISMATCH, errors.CONNECTION_FAILED)
        yield attack(f"head-{name}", *codes, answer={"raw": head}, untouched=True, **_SHORT)
    yield control("more-than-said", answer={"headers": {"Content-Length": size}, "endless": "x" * 512})
    yield control("identity", answer={"headers": {"Content-Encoding": "identity", "X-Any": "thing"}})
    yield control("store", answer={"headers": {"Content-Encoding": "aws-chunked,", "X-Meta": "\u4e0b" * 900}})
    yield control("equal-lengths", answer={"headers": {"Content-Length": f"{size}, {size}"}})
    cut = {"peer": "files", "nth": 0, "kind": "cut", "at": 300 + BLOCK}
    for tag in ('"1\rRange: bytes=0-0"', '"\0"'):
        answer = {"headers": {"ETag": tag}}
        yield attack(f"etag-{ascii(tag)[:20]}", errors.HTTP_STATUS, answer=answer, untouched=True)
    for tag in ('W/"1"', "1", '"' + "x" * 200 + '"', '"\u4e0b"', ""):
        yield control(f"etag-{ascii(tag)[:20]}", answer={"headers": {"ETag": tag}}, net=[cut])
    yield control("interrupted", files_script=[{"status": 503}], config=_SHORT["config"])


def _lie(identity: str, code: int, headers: Case, **more: object) -> Case:
    """The right file under a wrong head."""
    answer = {"headers": headers, **more}
    return attack(identity, code, errors.HTTP_STATUS, answer=answer, untouched=True)


def _lengths(size: int) -> Iterator[Case]:
    numbers = (0, 1, size - 1, size + 1, 2**31, 2**32 + size, -1)
    texts = ("", "1e4", f"+{size}", f"0x{size:x}", f"{size}.0", f"{size}, {size - 1}", f"{size} {size}")
    for length in (*numbers, *texts, None):
        yield _lie(f"length-{length}", errors.SIZE_MISMATCH, {"Content-Length": length})
    yield _lie("two-lengths", errors.HTTP_STATUS, {"content-length": size - 1})


def _encodings() -> Iterator[Case]:
    for encoding in ("gzip", "br", "deflate", "identity, gzip", "x"):
        yield _lie(f"encoding-{encoding}", errors.HTTP_STATUS, {"Content-Encoding": encoding})
    chunked = {"Transfer-Encoding": "chunked"}
    yield _lie("chunked", errors.HTTP_STATUS, chunked)
    yield _lie("chunked-without-length", errors.HTTP_STATUS, chunked | {"Content-Length": None})


def _ranges(size: int) -> Iterator[Case]:
    right = f"bytes 0-{size - 1}/{size}"
    wrong = (
        f"bytes 0-{size - 1}/*", f"bytes 1-{size}/{size + 1}", "bytes */9", f"bytes 0-{size}/{size}",
        f"items 0-{size - 1}/{size}", "", "bytes -", f"bytes 0-{2**64}/1",
    )  # fmt: skip
    for span in (right, *wrong):
        yield _lie(f"range-{span}", errors.SIZE_MISMATCH, {"Content-Range": span})
    for span in (None, *wrong):
        yield _lie(f"partial-{span}", errors.SIZE_MISMATCH, {"Content-Range": span}, status=206)
    multipart = {"Content-Type": "multipart/byteranges; boundary=x", "Content-Range": None}
    body = f"--x\r\nContent-Range: bytes 0-9/{size}\r\n\r\n0123456789"
    yield _lie("multipart", errors.SIZE_MISMATCH, multipart, status=206, body=body)


def _without_end() -> Iterator[Case]:
    yield _lie("endless-body", errors.SIZE_MISMATCH, {"Content-Length": None}, endless="x" * 512)
    for name, (head, text) in _ENDLESS.items():
        answer = {"raw": head, "endless": text}
        yield attack(f"endless-{name}", errors.HTTP_STATUS, errors.SIZE_MISMATCH, answer=answer,
                     untouched=True)  # fmt: skip
    for at in (0, 20, 90, 300):
        trickle = {"peer": "files", "nth": None, "kind": "trickle", "at": at}
        yield attack(f"trickle-{at}", errors.TIMEOUT, net=[trickle], **_SHORT)
        for kind in ("stall", "reset", "cut"):
            trouble = trickle | {"kind": kind}
            yield attack(f"{kind}-{at}", errors.TIMEOUT, errors.CONNECTION_FAILED, net=[trouble], **_SHORT)


def _heads(size: int) -> dict[str, str]:
    right = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n"
    return {
        "0.9": "",
        "2": f"HTTP/2 200\r\nContent-Length: {size}\r\n\r\n",
        "3.0": right.replace("1.1", "3.0") + "\r\n",
        "icy": f"ICY 200 OK\r\nContent-Length: {size}\r\n\r\n",
        "status-2000": right.replace("200", "2000") + "\r\n",
        "status-minus": right.replace("200", "-200") + "\r\n",
        "no-status": right.replace(" 200 OK", "") + "\r\n",
        "no-colon": right + "what is this\r\n\r\n",
        "not-text": "\x00\x01\x02\n" * 9,
        "long-value": right + 'ETag: "' + "y" * 5000 + '"\r\n\r\n',
        "long-head": right + "X: y\r\n" * 3000 + "\r\n",
        "folded": right.replace("Content-Length: ", "Content-Length:\r\n ") + "\r\n",
    }
