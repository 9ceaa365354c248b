"""Good headers, trailers, signatures and keys, with what must come out, by the cryptography package."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import makeimage
import signer
import targets
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from good_messages import versions
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

CURVE = ec.SECP256R1()
PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
PRIVATE = ec.derive_private_key(signer.SECRET, CURVE)
DIGEST = targets._DIGEST
ESP32_DESC = 0xABCD5432
secrets = st.integers(1, signer.N - 1)
c_strings = st.one_of(versions, st.text("abc019.-_ ", max_size=16))


@st.composite
def wm_headers(draw: DrawFn) -> tuple[bytes, list]:
    length, text = draw(st.integers(1, 2**31 - 1000)), draw(c_strings)
    is_signed = draw(st.booleans())
    kind = draw(st.integers(1, 13)) | (0x100 if is_signed else 0) | draw(st.sampled_from((0, 0x100000)))
    file_end = 64 + length + (128 if is_signed else 0)
    size = file_end + draw(st.integers(0, 518))
    head = makeimage.wm(b"", kind, text.encode(), length)[:64]
    return struct.pack("<BBI", 0, draw(st.integers(0, 255)), size) + head, [
        text, 64 + length, struct.unpack_from("<I", head, 24)[0], file_end,
    ]  # fmt: skip


@st.composite
def esp32_headers(draw: DrawFn) -> tuple[bytes, list]:
    chip, text, size = draw(st.integers(0, 254)), draw(c_strings), draw(st.integers(96, 2**31))
    head = makeimage.esp32(b"", text.encode(), chip)[:96]
    return struct.pack("<BBI", 1, draw(st.sampled_from((chip, 255))), size) + head, [text, 0, 0, 0]


@st.composite
def odd_wm_headers(draw: DrawFn) -> bytes:
    """With a right checksum over any attributes, any length and any magic."""
    kind = draw(st.sampled_from((1, 1, 1, 0, 13, 14, 15)))
    attributes = kind | draw(
        st.sampled_from((0, 0x10, 0x100, 0x10000, 0x100000, 0x200000, 0x300000, 1 << 31))
    )
    length = draw(st.sampled_from((1000, 1000, 1000, 0, 1, 2**31, 2**32 - 65, 2**32 - 1)))
    magic = draw(st.sampled_from((makeimage.MAGIC,) * 4 + (0, makeimage.MAGIC ^ 1)))
    extra = draw(st.sampled_from((0, 0, 0, -1, 127, 128, 518, 519, 646, 647)))
    size = min(2**32 - 1, max(0, length + 64 + extra))
    head = makeimage.wm(b"", attributes, b"1.2.3", length, magic)[:64]
    return struct.pack("<BBI", 0, 255, size) + head


raw_headers = st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=96)).map(
    lambda pair: (struct.pack("<BBI", 2, 255, pair[0]) + pair[1], ["", 0, 0, 0])
)
header_cases = st.one_of(wm_headers(), esp32_headers(), raw_headers)


def header_rule(raw: bytes, value: Any) -> bool:
    raw += bytes(max(0, 102 - len(raw)))
    kind, chip, size = struct.unpack("<BBI", raw[:6])
    block = raw[6:]
    if kind % 3 == 2:
        return value == ["", 0, 0, 0]
    if kind % 3 == 1:
        right = block[0] == 0xE9 and block[32:36] == ESP32_DESC.to_bytes(4, "little") and size >= 96
        own = chip == 255 or block[12:14] == bytes([chip, 0])
        return right and own and value == [_c_string(block[48:80]), 0, 0, 0]
    length = int.from_bytes(block[12:16], "little")
    attributes = int.from_bytes(block[4:8], "little")
    end = 64 + length
    file_end = end + 128 * (attributes >> 8 & 1)
    return (
        block[:4] == b"\x9f\xff\xff\xa0"
        and zlib.crc32(block[:60]) ^ 0xFFFFFFFF == int.from_bytes(block[60:64], "little")
        and attributes & 15 not in (0, 14)
        and not attributes >> 16 & 1
        and attributes >> 20 & 3 in (0, 1)
        and length > 0 and file_end <= size <= file_end + 518
        and value == [_c_string(block[32:48]), end, int.from_bytes(block[24:28], "little"), file_end]
    )  # fmt: skip


def _c_string(raw: bytes) -> str:
    text = raw.split(b"\0")[0].decode("latin-1")
    return text if all(" " <= char <= "~" for char in text) else ""


@st.composite
def trailers(draw: DrawFn) -> tuple[bytes, list]:
    body = draw(st.binary(max_size=30))
    if draw(st.integers(0, 3)) == 0:
        return body + b"OTAT"[: draw(st.integers(0, 3))], [None, True]
    record = {"version": targets.OFFERED, "board": targets.BOARD, "build_time": draw(st.text(max_size=20))}
    more = draw(st.dictionaries(st.sampled_from(("a", "size")), st.integers(), max_size=2))
    return body + makeimage.raw_trailer(json.dumps(record | more).encode()), [record, False]


trailer_objects = st.fixed_dictionaries(
    {"version": st.just(targets.OFFERED), "board": st.just(targets.BOARD), "build_time": st.text(max_size=9)}
)


def trailer_rule(raw: bytes, value: Any) -> bool:
    record, stands = value
    if record is None:
        return stands and (raw[-4:] != b"OTAT" or len(raw) < 6)
    length = int.from_bytes(raw[-6:-4], "little")
    written = json.loads(raw[len(raw) - 6 - length : -6])
    return (
        raw.endswith(b"OTAT") and length <= 512 and not stands
        and record == {key: written[key] for key in ("version", "board", "build_time")}
        and (record["version"], record["board"]) == (targets.OFFERED, targets.BOARD)
        and isinstance(record["build_time"], str)
    )  # fmt: skip


@st.composite
def signatures(draw: DrawFn) -> tuple[bytes, object]:
    """By the right key, with any nonce; s and n - s are both good."""
    nonce = draw(st.one_of(secrets, st.integers(1, 20)))
    r = ec.derive_private_key(nonce, CURVE).public_key().public_numbers().x % signer.N
    s = pow(nonce, -1, signer.N) * (int.from_bytes(DIGEST, "big") + r * signer.SECRET) % signer.N
    return utils.encode_dss_signature(r, draw(st.sampled_from((s, signer.N - s)))), True


@st.composite
def odd_signatures(draw: DrawFn) -> bytes:
    """The right numbers in other encodings, and other numbers."""
    good = draw(signatures())[0]
    r, s = utils.decode_dss_signature(good)
    edges = (0, 1, 127, 128, signer.N, signer.P, 2**256 - 1, r + signer.N, s + signer.N)
    if draw(st.booleans()):
        return signer.der(draw(st.sampled_from((r, *edges))), draw(st.sampled_from((s, *edges))))
    body = b""
    for value in (r, s):
        raw = value.to_bytes(32, "big").lstrip(b"\0")
        if draw(st.integers(0, 3)):
            raw = bytes(raw[0] >> 7) + raw  # as it must be; else bare
        raw = draw(st.sampled_from((b"", b"", b"", b"\0"))) + raw
        body += draw(st.sampled_from((b"\2", b"\2", b"\2", b"\3"))) + bytes([len(raw)]) + raw
    tail = draw(st.sampled_from((b"", b"", b"", b"\0")))
    return b"\x30" + draw(st.sampled_from((b"", b"", b"", b"\x81"))) + bytes([len(body)]) + body + tail


def signature_rule(raw: bytes, value: Any) -> bool:
    try:
        PRIVATE.public_key().verify(raw, DIGEST, PREHASHED)
    except InvalidSignature:
        return False
    return value is True and utils.encode_dss_signature(*utils.decode_dss_signature(raw)) == raw


@st.composite
def keys(draw: DrawFn) -> tuple[bytes, object]:
    public = ec.derive_private_key(draw(secrets), CURVE).public_key()
    point = public.public_numbers()
    if draw(st.booleans()):
        raw = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        raw = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return raw, (point.x, point.y)


def key_rule(raw: bytes, value: Any) -> bool:
    if len(raw) == 65:
        public = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, raw)
    else:
        public = load_der_public_key(raw)
    numbers = public.public_numbers()
    return isinstance(numbers.curve, ec.SECP256R1) and value == (numbers.x, numbers.y)
