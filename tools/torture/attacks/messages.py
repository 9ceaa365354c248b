"""Attacks by the owner of the broker's account: bent offers, and good ones at the wrong time."""

from __future__ import annotations

import json
from collections.abc import Iterator

from device import errors
from tools.torture.attacks import cases
from tools.torture.attacks.cases import Case, after_success, attack, control
from tools.torture.attacks.forge import Ground
from tools.torture.attacks.mqtt import RESPONSE, UPDATE, packet

_POLLING = {"check_interval_s": 60}
_FIRST_GET_MS, _SECOND_GET_MS = 61_000, 121_000  # after the INIT report, with a margin of a second


def replays(ground: Ground) -> Iterator[Case]:
    """Old and repeated messages: the same for ever, answers to nothing, offers while another one runs."""
    offer = ground.offers["new"]
    yield attack("not-asked", packets=[[500, packet(RESPONSE, offer, n)] for n in (0, 1, 2)], **_quiet())
    yield attack("wrong-sequence", poll=True, broker_script=[{"sequence": n} for n in (1, -1, 2**32)],
                 config=_POLLING, **_quiet(200_000)) | {"silent": False}  # fmt: skip
    same = dict(offer, version="1.0.0")
    answered = [[_FIRST_GET_MS, packet(RESPONSE, same, 1)], [_FIRST_GET_MS + 500, packet(RESPONSE, offer, 1)]]
    yield attack("sequence-reused", packets=answered, config=_POLLING, **_quiet(70_000))
    for name, at, ends in (("an-older-get", _SECOND_GET_MS, 130_000), ("no-get-yet", 30_000, 50_000)):
        answer = [[at, packet(RESPONSE, offer, 1)]]
        yield attack(f"answer-to-{name}", packets=answer, config=_POLLING, **_quiet(ends))
    for wrong in (1.0, "1", True, None, -1, 2**32 + 1, 2**70, [1]):
        answer = [[_FIRST_GET_MS, packet(RESPONSE, offer, wrong)]]
        yield attack(f"sequence-{wrong!r}", packets=answer, config=_POLLING, **_quiet(70_000)) | {
            "silent": False
        }
    for date in (2**31, 10**11 - 1, 10**14):
        yield attack(f"delayed-until-{date}", offer={"upgrade_delay": date}, untouched=True)
    yield from _for_ever(ground)
    yield from _meanwhile(ground)
    yield control("answer", packets=[[_FIRST_GET_MS, packet(RESPONSE, offer, 1)]], config=_POLLING, pushes=0)
    yield control("duplicates", repeats=4)
    yield control("retained", retained=True)


def _quiet(ends_ms: int = 5_000) -> Case:
    return {"pushes": 0, "ends_ms": ends_ms, "untouched": True}


def _for_ever(ground: Ground) -> Iterator[Case]:
    """An hour of it; the flash must not wear out."""
    hour = {
        "ends_ms": 60 * cases.MINUTE_MS,
        "watches": True,
        "naps_ms": 500,
        "needs_downloads": 1,
        "pushes": 0,
    }
    bad = packet(UPDATE, ground.offers["foreign"])
    often = [[10_000 * n, bad] for n in range(360)]
    yield attack(
        "bad-offer-for-ever", errors.SHA256_ECDSA, packets=often, image="foreign", max_downloads=7, **hour
    )
    yield attack("bad-offer-retained", errors.SHA256_ECDSA, image="foreign", retained=True, max_downloads=7,
                 **hour | {"pushes": 50})  # fmt: skip
    for n, kind in ((2, "taking-turns"), (500, "always-another")):
        places = [{"https_url": f"https://files/{at % n}"} for at in range(60)]
        yield attack(kind, errors.SHA256_ECDSA, image="foreign", broker_script=places, again_ms=1_000,
                     max_downloads=13,
                     **hour | {"pushes": 60, "ends_ms": 5 * cases.MINUTE_MS})  # fmt: skip
    again = packet(UPDATE, ground.offers["new"])
    done = hour | {"needs_downloads": 0, "ends_ms": 10 * cases.MINUTE_MS, "untouched": True}
    yield after_success("good-offer-for-ever", errors.SAME_VERSION, packets=[], retained=True,
                        **done | {"pushes": 50})  # fmt: skip
    yield after_success("good-offer-flood", errors.SAME_VERSION, **done | {"pushes": 1, "repeats": 200})
    yield control("often", packets=[[400 * n, again] for n in range(8)])


def _meanwhile(ground: Ground) -> Iterator[Case]:
    """Another offer while one is downloaded, verified, or about to reboot: the first one wins. One that comes
    before the start wins, and fails; then the operator offers his again. Links that break make it last
    long enough to look at messages."""
    broken = [{"peer": "files", "nth": n, "kind": "cut", "at": 2000} for n in range(3)]
    for name in ("older", "next", "foreign", "other-board"):
        for ms in range(0, 300, 20):
            second = packet(UPDATE, ground.offers[name])
            yield control(f"second-{name}-{ms}", packets=[[ms, second]], net=broken, pushes=3,
                       max_downloads=8)  # fmt: skip


def offers(ground: Ground) -> Iterator[Case]:
    """Payloads that are not offers: types, numbers, nesting, keys, lengths."""
    offer = ground.offers["new"]
    values = (
        1.0, 1e300, -1, 2**31, 2**63, 2**64, 2**70, 10**400, True, None, "", "1", [], {}, [[]], "\0",
        "x" * 3500,
    )  # fmt: skip
    for field in ("size", "upgrade_delay"):
        for value in values:
            if field == "size" or value not in (1.0, None, 2**31):  # good ones; the last waits for its time
                text = f"{field}={value!r}"[:40]
                yield attack(text, errors.BAD_MESSAGE, errors.FW_OVERFLOW, offer={field: value},
                             untouched=True)  # fmt: skip
    for key in ("msg_sequence", "time", "data"):
        for value in (1.5, True, None, "1", [], -1, 2**70, "absent"):
            whole = {"msg_sequence": 1, "time": cases.NOW, "data": offer, key: value}
            whole = {name: entry for name, entry in whole.items() if entry != "absent"}
            make = _raw if key == "data" else _taken  # nobody looks at the others
            yield make(f"{key}={value!r}", json.dumps(whole).encode())
    for name, payload in _payloads(offer).items():
        yield _raw(name, payload)
    yield control("size-as-float", offer={"size": float(offer["size"])})
    for value in (1.0, None):
        yield control(f"upgrade_delay={value}", offer={"upgrade_delay": value})
    yield control("http-empty", offer={"http_url": ""})
    right = json.dumps({"msg_sequence": 1, "time": cases.NOW, "data": offer}).encode()
    yield _taken("bom", b"\xef\xbb\xbf" + right)
    yield _taken("deep-beside", right[:-1] + b', "x": ' + b"[" * 60 + b"]" * 60 + b"}")
    yield control("unknown-fields", offer={"x": None, "http": 1, "note": "\u4e0b" * 20})
    yield control("seconds", offer={"upgrade_delay": cases.NOW - 5})
    yield control("milliseconds", offer={"upgrade_delay": (cases.NOW - 5) * 1000})
    spaced = json.dumps({"data": offer, "time": cases.NOW, "msg_sequence": 2**32}, indent=2).encode()
    yield _taken("spaced", spaced)


def _taken(identity: str, payload: bytes) -> Case:
    return control(identity, packets=[[300, packet(UPDATE, payload)]], pushes=0)


def _raw(identity: str, payload: bytes) -> Case:
    packets = [[300, packet(UPDATE, payload)]]
    return attack(identity, errors.BAD_MESSAGE, packets=packets, pushes=0, untouched=True)


def _payloads(offer: Case) -> dict[str, bytes]:
    right = json.dumps({"msg_sequence": 1, "time": cases.NOW, "data": offer}).encode()
    return {
        "empty": b"",
        "nul": b"\0" * 64,
        "null": b"null",
        "number": b"5",
        "text": b'"x"',
        "list": b"[" + right + b"]",
        "half": right[: len(right) // 2],
        "without-end": right[:-1],
        "twice": right + right,
        "tail": right + b"x",
        "nul-tail": right + b"\0",
        "utf-16": right.decode().encode("utf-16"),
        "not-utf-8": right[:-2] + b', "x": "\xff\xfe"}}',
        "single-quotes": right.replace(b'"', b"'"),
        "comment": b"/* */" + right,
        "deep-list": b"[" * 3000,
        "deep-object": b'{"a":' * 700 + b"1" + b"}" * 700,
        "too-deep-beside": right[:-1] + b', "x": ' + b"[" * 90 + b"]" * 90 + b"}",
        "data-twice": right[:-1] + b', "data": {"size": 5}}',
        "data-in-data": right.replace(b'"data"', b'"data": {"data"') + b"}",
        "nan": right.replace(str(offer["size"]).encode(), b"NaN"),
        "long-number": b'{"msg_sequence": ' + b"9" * 3000 + b"}",
        "many-keys": b"{" + b",".join(b'"%d": 0' % n for n in range(400)) + b"}",
        "4096": right[:-1] + b" " * (4097 - len(right)) + b"}",
        "64k": right[:-1] + b" " * 65536 + b"}",
        "escape": right.replace(b"https://", b"https:\\u002f\\u000a/"),
    }
