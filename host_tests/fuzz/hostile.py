"""Strategies of spoilt things: bytes that were good once, JSON with a field of the wrong kind, noise."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

TOKENS = (
    b"\0", b"\xff", b"\r\n", b"\r\n\r\n", b"\n", b"\\", b'"', b"{", b"}", b"[", b"]", b",", b":", b"-", b"+",
    b".", b" ", b"\t", b"9" * 30, b"1e400", b"null", b"true", b"NaN", b"\\ud800", b"\\u0000", b"\xc0\x80",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", "\u0663\uff11\u00a0\u2028".encode(), b"{" * 40,
    b"[" * 200, b"A" * 2100, b"\x7f" * 3, b"//", b"@", b"#", b"?", b"%00", b"OTAT", b"\x80" * 5, b"\x30\x82",
)  # fmt: skip
HUGE = tuple(
    sign * (base + step)
    for base in (0, 99, 2**15, 2**16, 2**30, 2**31, 2**32, 10**11, 10**14, 2**63, 2**64, 10**40)
    for step in (-1, 0, 1)
    for sign in (1, -1)
)
EDGES = (b"", b"\0", b"{}", b"[]", b"\n", b"\r\n\r\n", b"\xff" * 64)

characters = st.one_of(
    st.characters(max_codepoint=0x7F),
    st.sampled_from('\0\ud800\udfff\u0663\u00a0\u2028\uff11\U0001f4a1\u212a\u0130\x7f"\\/'),
)
texts = st.one_of(st.text(characters, max_size=12), st.sampled_from(("", "A" * 300, "\u4e0b" * 128, "1.2.3")))
scalars = st.one_of(
    st.none(), st.booleans(), st.sampled_from(HUGE), st.integers(-200, 200), st.floats(), texts
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def mutated(draw: DrawFn, good: SearchStrategy[bytes]) -> bytes:
    """One to three changes: bits, a cut, a piece lost, repeated, put in or written over."""
    data = bytearray(draw(good))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.sampled_from((1, 1, 2, 3, 8, 64))))
        kind = draw(st.sampled_from(("bit", "cut", "lose", "repeat", "insert", "over")))
        if kind == "bit" and stop > start:
            data[start] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[start:]
        elif kind == "lose":
            del data[start:stop]
        elif kind == "repeat":
            data[start:start] = data[start:stop] * draw(st.sampled_from((1, 2, 60)))
        else:
            piece = draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8)))
            data[start : start if kind == "insert" else start + len(piece)] = piece
    return bytes(data[:9000])


def hostile(good: SearchStrategy[bytes]) -> SearchStrategy[bytes]:
    """Mostly things that were good once, some that were never any."""
    return st.one_of(
        mutated(good), mutated(good), mutated(good), good, st.binary(max_size=200), st.sampled_from(EDGES)
    )


@st.composite
def near(draw: DrawFn, good: object) -> object:
    """Almost the same: a number as another type or one off, a text with a character more, less or other."""
    if isinstance(good, list) and good:
        place = draw(st.integers(0, len(good) - 1))
        piece = draw(st.sampled_from(([], [good[place]], [good[place]] * 2, [good[place]] * 20, [None])))
        if not draw(st.integers(0, 2)):
            piece = [draw(near(good[place]))]
        return good[:place] + piece + good[place + 1 :]
    if isinstance(good, bool) or not isinstance(good, int | str):
        return draw(st.one_of(values, st.sampled_from((0, 1, "true"))))
    if isinstance(good, int):
        others = (good + 1, good - 1, -good, good * 1000, True, False, float(good), str(good))
        return draw(st.sampled_from(others))
    place = draw(st.one_of(st.just(len(good)), st.integers(0, len(good))))
    piece = draw(st.one_of(st.sampled_from(("", "\n", " ", "=", "A", "B", "9", "0", "/")), characters))
    return good[: max(0, place - draw(st.integers(0, 3)))] + piece + good[place:]


@st.composite
def bent(draw: DrawFn, good: SearchStrategy[dict]) -> dict:
    """A dict of JSON with some of its fields replaced, removed, or new ones beside them; at any depth."""
    top = draw(good)
    for _ in range(draw(st.sampled_from((1, 1, 1, 2)))):
        place = top
        inner = [value for value in top.values() if isinstance(value, dict)]
        if inner and draw(st.booleans()):
            place = draw(st.sampled_from(inner))
        names = st.sampled_from(sorted(place)) if place else texts
        name = draw(st.one_of(names, names, texts))
        if draw(st.integers(0, 5)):
            place[name] = draw(st.one_of(near(place.get(name)), near(place.get(name)), values, scalars))
        else:
            place.pop(name, None)
    return top


@st.composite
def written(draw: DrawFn, objects: SearchStrategy) -> bytes:
    """JSON text: escaped or not, with or without blanks; surrogates can only be escaped."""
    value = draw(objects)
    text = json.dumps(value, indent=draw(st.sampled_from((None, None, 1))), ensure_ascii=False)
    if draw(st.booleans()) or not text.isprintable():
        text = json.dumps(value)
    return text.encode()


def hostile_json(objects: SearchStrategy[dict]) -> SearchStrategy[bytes]:
    return st.one_of(
        written(bent(objects)), written(bent(objects)), hostile(written(objects)), written(values)
    )
