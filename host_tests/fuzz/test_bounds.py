"""Input far longer than any peer may send: memory and time grow with its length, and not faster."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
import targets
import targets_keys  # noqa: F401
import targets_link  # noqa: F401
import targets_records  # noqa: F401

SIZE = 1 << 17  # bytes of an input; the longest that a device takes is 4096, but for its own files
BYTES_PER_BYTE = 60  # a list in a list costs CPython 64 bytes for 3 in the input
BYTES_ANYWAY = 100_000
LIMIT_S = 20

BLOATED = {
    "nothing": bytes(SIZE),
    "one string": b'{"data": "' + b"a" * SIZE + b'"}',
    "one number": b'{"data": ' + b"9" * SIZE + b"}",
    "escapes": b'{"data": "' + b'\\"' * (SIZE // 2) + b'"}',
    "brackets": b"[" * SIZE,
    "brackets in brackets": b'{"data": [' + b"[]," * (SIZE // 3) + b"[]]}",
    "fields": b"{" + b",".join(b'"%d": %d' % (number, number) for number in range(SIZE // 12)) + b"}",
    "lines": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * (SIZE // 6),
    "one line": b"HTTP/1.1 200 OK\r\nLocation: " + b"a" * SIZE,
    "line ends": b"\n" * SIZE,
    "a URL": b"\0http://files/" + b"a" * SIZE,
    "a host": b"\0http://" + b"a" * SIZE,
    "dots and blanks": b". " * (SIZE // 2),
    "a trailer": b" " * SIZE + b"\xff\xffOTAT",
    "messages": b"\0\x20\2\0\0" + b"\x30\x04\0\1ab" * (SIZE // 6),
    "one message": b"\0\x20\2\0\0\x30\xff\xff\xff\x7f\xff\xff" + b"a" * SIZE,
    "bytes without end": b"\x30" + b"\xff" * SIZE,
}


@pytest.mark.parametrize("bloat", BLOATED)
@pytest.mark.parametrize("name", sorted(targets.TARGETS))
def test_long_input(name: str, bloat: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    raw = BLOATED[bloat]
    tracemalloc.start()
    started = time.process_time()
    try:
        outcome = targets.outcome(name, raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not outcome.startswith("ESCAPED"), outcome
    assert peak <= BYTES_PER_BYTE * len(raw) + BYTES_ANYWAY, peak / len(raw)
    assert time.process_time() - started <= LIMIT_S
