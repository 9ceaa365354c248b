"""Signatures and keys, valid and bent, as hypothesis strategies; and what `cryptography` says of them."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import signer
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import strategies as st

from tools.errors import ToolError
from tools.keys import keytable

N, P = signer.N, signer.P
_HASH = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
_SIGN = ec.ECDSA(utils.Prehashed(hashes.SHA256()), deterministic_signing=True)
_SEEDS = [int.from_bytes(hashlib.sha256(bytes([i])).digest(), "big") % N for i in range(6)]
PRIVATE = [ec.derive_private_key(seed, ec.SECP256R1()) for seed in (1, *_SEEDS)]
_DER, _X962 = serialization.Encoding.DER, serialization.Encoding.X962
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
_POINT = serialization.PublicFormat.UncompressedPoint


@dataclass(frozen=True)
class Case:
    key: bytes
    digest: bytes
    signature: bytes


def reference(case: Case) -> bool:
    """The verdict of `cryptography`.

    It takes a signature only in the one DER form that device.ecdsa takes too. Of keys it takes more:
    compressed and hybrid points, other curves, other encodings of the curve. Those are False here.
    """
    try:
        if len(case.key) == 65:
            public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), case.key)
            usual = public.public_bytes(_X962, _POINT)
        else:
            public = serialization.load_der_public_key(case.key)
            usual = public.public_bytes(_DER, _SPKI)
    except Exception:  # the library has a dozen ways to say "not a key I know"
        return False
    if usual != case.key or not isinstance(public.curve, ec.SECP256R1) or len(usual) not in (65, 91):
        return False
    try:
        public.verify(case.signature, case.digest, _HASH)
    except InvalidSignature:
        return False
    return True


@functools.cache
def table(key: bytes) -> bytes:
    """The comb of the key, or of the first one if that is not a key."""
    try:
        return keytable.build(key)[70:-32]
    except ToolError:
        return table(_public(0, False))


def _public(number: int, spki: bool) -> bytes:
    public = PRIVATE[number].public_key()
    return public.public_bytes(_DER, _SPKI) if spki else public.public_bytes(_X962, _POINT)


DIGESTS = st.binary(min_size=32, max_size=32) | st.sampled_from(
    [value.to_bytes(32, "big") for value in (0, 1, N - 1, N, N + 1, 2**256 - 1)]
)


@st.composite
def valid(draw: st.DrawFn) -> Case:
    number = draw(st.integers(0, len(PRIVATE) - 1))
    digest = draw(DIGESTS)
    key = _public(number, draw(st.booleans()))
    return Case(key, digest, PRIVATE[number].sign(digest, _SIGN))


EDITS = st.one_of(
    st.tuples(st.just("flip"), st.integers(0, 8 * 92), st.just(b"")),
    st.tuples(st.just("put"), st.integers(0, 92), st.binary(min_size=1, max_size=3)),
    st.tuples(st.just("insert"), st.integers(0, 92), st.binary(min_size=1, max_size=3)),
    st.tuples(st.just("delete"), st.integers(0, 92), st.binary(min_size=1, max_size=3)),
    st.tuples(st.just("cut"), st.integers(0, 92), st.just(b"")),
    st.tuples(st.just("append"), st.just(0), st.binary(min_size=1, max_size=40)),
)


def edited(data: bytes, kind: str, at: int, content: bytes) -> bytes:
    """`at` is a bit for "flip", else a byte; an edit may change nothing."""
    if kind == "flip":
        number = int.from_bytes(data, "big") ^ 1 << at % (8 * len(data) or 1)
        return number.to_bytes(len(data) or 1, "big")
    if kind == "cut":
        return data[:at]
    if kind == "append":
        return data + content
    gap = 0 if kind == "insert" else len(content)
    return data[:at] + (b"" if kind == "delete" else content) + data[at + gap :]


def _bent(data: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    for edit in edits:
        data = edited(data, *edit)
    return data


@st.composite
def bent_signatures(draw: st.DrawFn) -> Case:
    good = draw(valid())
    edits = draw(st.lists(EDITS, min_size=1, max_size=3))
    return Case(good.key, good.digest, _bent(good.signature, edits))


@st.composite
def bent_keys(draw: st.DrawFn) -> Case:
    good = draw(valid())
    other = st.integers(0, len(PRIVATE) - 1).map(lambda number: _public(number, False))
    info, body = good.key[:-65], good.key[-64:]
    first = st.sampled_from([0, 2, 3, 4, 5, 6, 7]).map(lambda byte: info + bytes([byte]) + body)
    compressed = st.sampled_from([2, 3]).map(lambda byte: bytes([byte]) + body[:32])
    bent = st.lists(EDITS, min_size=1, max_size=2).map(lambda edits: _bent(good.key, edits))
    return Case(draw(other | first | compressed | bent), good.digest, good.signature)


@st.composite
def bent_digests(draw: st.DrawFn) -> Case:
    good = draw(valid())
    bit = draw(st.integers(0, 255))
    return Case(good.key, edited(good.digest, "flip", bit, b""), good.signature)


NUMBERS = (
    st.integers(0, 2**264 - 1)
    | st.integers(0, N + 1)
    | st.sampled_from([0, 1, 2, N - 1, N, N + 1, P - N, P - 1, P, P + 1, 2**255, 2**256 - 1, 2**256])
)


@st.composite
def other_numbers(draw: st.DrawFn) -> Case:
    """r, s or both replaced, negated, swapped, or moved by a multiple of n: encoded as DER demands."""
    good = draw(valid())
    r, s = utils.decode_dss_signature(good.signature)
    change = draw(st.sampled_from(["r", "s", "both", "-s", "-r", "swap", "r+n", "s+n", "e=s"]))
    if change in ("r", "both"):
        r = draw(NUMBERS)
    if change in ("s", "both"):
        s = draw(NUMBERS)
    moved = {"-s": (r, N - s), "-r": (N - r, s), "swap": (s, r), "r+n": (r + N, s), "s+n": (r, s + N)}
    return Case(good.key, good.digest, signer.der(*moved.get(change, (r, s))))


LENGTHS = st.sampled_from([b"#"] * 8 + [b"\x81#", b"\x82\0#", b"\x80"])
TAGS = st.sampled_from([0x02] * 12 + [0x03, 0x04, 0x22, 0x82])


@st.composite
def other_encodings(draw: st.DrawFn) -> Case:
    """The right numbers, with zeros before them, other tags, other forms of the lengths, things between."""
    good = draw(valid())
    parts = []
    for value in utils.decode_dss_signature(good.signature):
        body = value.to_bytes(33, "big").lstrip(b"\0")
        zeros = draw(st.sampled_from([body[0] >> 7] * 5 + [0, 1, 2]))
        parts.append(bytes([draw(TAGS)]) + _counted(draw(LENGTHS), bytes(zeros) + body))
    parts.append(draw(st.sampled_from([b""] * 5 + [b"\0", b"\0\0", b"\x05\0"])))
    return Case(good.key, good.digest, b"\x30" + _counted(draw(LENGTHS), b"".join(parts)))


def _counted(form: bytes, body: bytes) -> bytes:
    return form.replace(b"#", bytes([len(body)])) + body
