"""Good certificates, key tables, next keys and signed offers, with what must come out; rules of their own."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
from typing import Any

import good_messages
import makecert
import signer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from good_images import keys
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tools.keys import keytable

_TABLE = keytable.build(signer.KEY)
_MOMENTS = st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2099, 1, 1))


@st.composite
def certificates(draw: DrawFn) -> tuple[bytes, list]:
    """One to three after each other, of either way to write a time."""
    raw, expected = b"", []
    for _ in range(draw(st.integers(1, 3))):
        end = draw(_MOMENTS)
        is_short = 1950 <= end.year < 2050 and draw(st.booleans())
        text = end.strftime("%y%m%d%H%M%SZ" if is_short else "%Y%m%d%H%M%SZ").encode()
        made = makecert.certificate(
            text, 0x17 if is_short else 0x18, draw(st.booleans()), draw(st.integers(0, 400))
        )
        raw += made
        expected.append([len(made), list(end.timetuple()[:6])])
    return raw, expected


def certificates_rule(raw: bytes, value: Any) -> bool:
    """The pieces are DER elements, one after the other, and each names its end in digits."""
    start = 0
    for length, end in value:
        piece = raw[start : start + length]
        start += length
        digits = f"{end[0]:04d}" + "".join(f"{part:02d}" for part in end[1:]) + "Z"
        if len(piece) != length or not any(text.encode() in piece for text in (digits, digits[2:])):
            return False
    return start == len(raw) and len(value) <= 8


tables = st.just((_TABLE, _TABLE[70:-32]))


def table_rule(raw: bytes, value: Any) -> bool:
    """Five bytes, the point, the comb, SHA-256 of all that."""
    right = raw[:5] == b"OTAC\x01" and raw[5:70] == signer.KEY and len(raw) == 70 + 2048 + 32
    return right and raw[-32:] == hashlib.sha256(raw[:-32]).digest() and value == raw[70:-32]


next_keys = keys().map(lambda case: (base64.b64encode(case[0]), case[0]))


def next_key_rule(raw: bytes, value: Any) -> bool:
    """A decoder may skip what is not base64, but what comes out is a key on the curve."""
    try:
        if len(value) == 65:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), value)
        else:
            public = serialization.load_der_public_key(value)
            return len(value) == 91 and isinstance(public.curve, ec.SECP256R1)
    except ValueError:
        return False
    return value[0] == 4


@st.composite
def signed_offer_objects(draw: DrawFn) -> dict:
    return {
        "sha256": draw(st.binary(min_size=32, max_size=32)).hex(),
        "kind": draw(st.sampled_from(("esp32", "wm", "raw", "", "fifteen letters"))),
        "expires": draw(good_messages.times())[0],
        "signature": base64.b64encode(draw(good_messages.signatures)).decode(),
    }


def _signed_offer_case(values: dict) -> tuple[bytes, list]:
    expires = values["expires"]
    signature = base64.b64decode(values["signature"])
    seconds = expires // 1000 if expires >= 10**11 else expires
    return json.dumps(values).encode(), [values["sha256"], values["kind"], seconds, signature]


signed_offers = signed_offer_objects().map(_signed_offer_case)


def signed_offer_rule(raw: bytes, value: Any) -> bool:
    values = json.loads(raw)
    return (
        _signed_offer_case(values)[1] == value
        and re.fullmatch("[0-9a-f]{64}", values["sha256"]) is not None
        and type(values["expires"]) is int and 0 <= values["expires"] <= 10**14
        and len(values["kind"]) < 16
        and base64.b64encode(value[3]).decode() == values["signature"] and 6 <= len(value[3]) <= 96
    )  # fmt: skip
