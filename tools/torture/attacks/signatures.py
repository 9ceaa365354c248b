"""Attacks by how the signature is written: DER, numbers out of range, base64."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from device import errors
from tools.torture.attacks.cases import Case, attack, control
from tools.torture.attacks.forge import Ground

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_FLIPS = 33  # wherever they fall: a signature is not always as long as the last one
FIELD = "sig-sha256-ecdsa"


def encodings(ground: Ground) -> Iterator[Case]:
    r, s = decode_dss_signature(base64.b64decode(ground.offers["new"][FIELD]))
    s = min(s, N - s)  # a signature too, and short enough for its base64 to need padding
    good = _der(r, s)
    for name, signature in {**_numbers(r, s), **_forms(r, s), **_bent(good)}.items():
        text = base64.b64encode(signature).decode()
        yield attack(name, errors.SHA256_ECDSA, errors.BAD_MESSAGE, offer={FIELD: text})
    for name, value in _texts(base64.b64encode(good).decode()).items():
        yield attack(f"text-{name}", errors.BAD_MESSAGE, offer={FIELD: value}, untouched=True)
    yield control("other-s", offer={FIELD: base64.b64encode(_der(r, N - s)).decode()})
    yield control("as-signed", offer={FIELD: base64.b64encode(_der(r, s)).decode()})


def other_signature(text: str) -> str:
    """Of the same bytes by the same key, which anybody can make of one that he has seen."""
    r, s = decode_dss_signature(base64.b64decode(text))
    return base64.b64encode(_der(r, N - s)).decode()


def _numbers(r: int, s: int) -> dict[str, bytes]:
    odd = {"0": 0, "1": 1, "n-1": N - 1, "n": N, "n+1": N + 1, "p": P, "p-n": P - N, "2^256-1": 2**256 - 1,
           "2^256": 2**256}  # fmt: skip
    found = {}
    for name, value in odd.items():
        found |= {
            f"r={name}": _der(value, s),
            f"s={name}": _der(r, value),
            f"both={name}": _der(value, value),
        }
    found |= {"r+n": _der(r + N, s), "s+n": _der(r, s + N), "r+p": _der(r + P, s), "swapped": _der(s, r)}
    found |= {"-r": _der(-r, s), "-s": _der(r, -s), "n-r": _der(N - r, s), "r+1": _der(r + 1, s)}
    return found


def _forms(r: int, s: int) -> dict[str, bytes]:
    """The right numbers, written as DER forbids."""
    one, two = _integer(_content(r)), _integer(_content(s))
    both = one + two
    size = len(both)
    return {
        "long-length": b"\x30\x81" + bytes([size]) + both,
        "longer-length": b"\x30\x82\0" + bytes([size]) + both,
        "indefinite": b"\x30\x80" + both + b"\0\0",
        "padded-r": _sequence(_integer(b"\0" + _content(r)) + two),
        "padded-s": _sequence(one + _integer(b"\0" + _content(s))),
        "padded-both": _sequence(_integer(bytes(3) + _content(r)) + _integer(bytes(3) + _content(s))),
        "long-integer": _sequence(b"\x02\x81" + one[1:] + two),
        "unsigned-r": _sequence(_integer(_unsigned(r)) + two)
        if r >> 255
        else _sequence(_integer(b"\xff") + two),
        "set": b"\x31" + bytes([size]) + both,
        "constructed": b"\x30" + bytes([size]) + b"\x22" + one[1:] + two,
        "octets": _sequence(b"\x04" + one[1:] + two),
        "bits": _sequence(one + b"\x03" + two[1:]),
        "third": _sequence(both + b"\x02\x01\0"),
        "null": _sequence(both + b"\x05\0"),
        "only-r": _sequence(one),
        "nothing": _sequence(b""),
        "nested": _sequence(_sequence(both)),
        "trailing-byte": _sequence(both) + b"\0",
        "trailing-inside": b"\x30" + bytes([size + 1]) + both + b"\0",
        "trailing-signature": _sequence(both) + _sequence(both)[:20],
        "short-length": b"\x30" + bytes([size - 1]) + both,
        "great-length": b"\x30" + bytes([size + 1]) + both,
        "raw": r.to_bytes(32, "big") + s.to_bytes(32, "big"),
        "raw-le": r.to_bytes(32, "little") + s.to_bytes(32, "little"),
    }


def _bent(good: bytes) -> dict[str, bytes]:
    found = {f"cut-{n}": good[:n] for n in (0, 1, 2, 8, 35, len(good) - 1)}
    for number in range(_FLIPS):
        bit = 8 * len(good) * number // _FLIPS
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << bit % 8
        found[f"flip-{number}"] = bytes(changed)
    return found | {"zeros": bytes(70), "ones": b"\xff" * 70}


def _texts(good: str) -> dict[str, object]:
    return {
        "space": good[:20] + " " + good[20:],
        "newline": good[:64] + "\n" + good[64:],
        "end-newline": good + "\n",
        "crlf": good[:64] + "\r\n" + good[64:],
        "lead-space": " " + good,
        "nul": good[:40] + "\0" + good[40:],
        "end-nul": good + "\0",
        "no-padding": good.rstrip("="),
        "more-padding": good + "=",
        "all-padding": "=" * len(good),
        "inner-padding": good[:8] + "==" + good[8:],
        "url-safe": good.replace("+", "-").replace("/", "_") + "-",
        "star": good[:9] + "*" + good[9:],
        "unicode": "\uff2d" + good[1:],
        "twice": good + good,
        "hex": base64.b64decode(good).hex(),
        "10k": good + "A" * 10_000,
        "10k-spaces": good + " " * 10_000,
        "loose-bits": _loose(good),
        "empty": "",
        "null": None,
        "number": 5,
        "list": [good],
        "dict": {"": good},
        "true": True,
        "bytes": list(base64.b64decode(good)),
    }


def _loose(good: str) -> str:
    """The bits of the last digit that carry nothing, set: another text for the same bytes."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    kept = good.rstrip("=")
    return kept[:-1] + digits[digits.index(kept[-1]) | 1] + good[len(kept) :]


def _content(value: int) -> bytes:
    """Two's complement, as short as it goes."""
    return value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, "big", signed=True)


def _unsigned(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _integer(content: bytes) -> bytes:
    return b"\x02" + bytes([len(content)]) + content


def _sequence(content: bytes) -> bytes:
    return b"\x30" + bytes([len(content)]) + content


def _der(r: int, s: int) -> bytes:
    return _sequence(_integer(_content(r)) + _integer(_content(s)))
