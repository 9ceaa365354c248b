"""Attacks by whoever owns the broker's account: bent offers, broken packets, everything at the wrong time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tools.stage import MAC
from tools.torture.attacks import cases
from tools.torture.attacks.cases import Case, after_success, attack, twin
from tools.torture.attacks.forge import Ground

UPDATE, RESPONSE = "update", "response"
_POLLING = {"check_interval_s": 60}
_FIRST_GET_MS, _SECOND_GET_MS = 61_000, 121_000  # after the INIT report, with a margin of a second


def packet(name: str, data: Any, sequence: object = 0, *, qos: int = 1, mac: str = MAC) -> str:
    """Hex of an MQTT PUBLISH with an offer. data: its fields, or the whole payload as bytes."""
    if not isinstance(data, bytes):
        data = json.dumps({"msg_sequence": sequence, "time": cases.NOW, "data": data}).encode()
    topic = f"wm_iot/{mac}/ota/{name}".encode()
    body = len(topic).to_bytes(2, "big") + topic + (b"\x12\x34" if qos else b"") + data
    return (bytes([0x30 | qos << 1]) + _length(len(body)) + body).hex()


def _length(size: int) -> bytes:
    head = b""
    while size > 127:
        head += bytes([size & 127 | 128])
        size >>= 7
    return head + bytes([size])


def replays(ground: Ground) -> Iterator[Case]:
    """Old and repeated messages: the same for ever, answers to nothing, offers while another one runs."""
    offer = ground.offers["new"]
    yield attack("not-asked", packets=[[500, packet(RESPONSE, offer, n)] for n in (0, 1, 2)], **_quiet())
    yield attack("wrong-sequence", poll=True, broker_script=[{"sequence": n} for n in (1, -1, 2**32)],
                 config=_POLLING, **_quiet(200_000)) | {"silent": False}  # fmt: skip
    same = dict(offer, version="1.0.0")
    answered = [[_FIRST_GET_MS, packet(RESPONSE, same, 1)], [_FIRST_GET_MS + 500, packet(RESPONSE, offer, 1)]]
    yield attack("sequence-reused", packets=answered, config=_POLLING, **_quiet(70_000))
    yield attack("answer-to-an-older-get", packets=[[_SECOND_GET_MS, packet(RESPONSE, offer, 1)]], config=_POLLING,
                 **_quiet(130_000))  # fmt: skip
    yield attack("answer-before-the-get", packets=[[30_000, packet(RESPONSE, offer, 1)]], config=_POLLING,
                 **_quiet(50_000))  # fmt: skip
    for wrong in (1.0, "1", True, None, -1, 2**32 + 1, 2**70, [1]):
        answer = [[_FIRST_GET_MS, packet(RESPONSE, offer, wrong)]]
        yield attack(f"sequence-{wrong!r}", packets=answer, config=_POLLING, **_quiet(70_000)) | {"silent": False}
    yield from _for_ever(ground)
    yield from _meanwhile(ground)
    yield twin("answer", packets=[[_FIRST_GET_MS, packet(RESPONSE, offer, 1)]], config=_POLLING, pushes=0)
    yield twin("duplicates", repeats=4)
    yield twin("retained", retained=True)


def _quiet(ends_ms: int = 5_000) -> Case:
    return {"pushes": 0, "ends_ms": ends_ms, "untouched": True}


def _for_ever(ground: Ground) -> Iterator[Case]:
    """An hour of it; the flash must not wear out."""
    hour = {"ends_ms": 60 * cases.MINUTE_MS, "watches": True, "pushes": 0, "naps_ms": 500, "needs_downloads": 1}
    bad = packet(UPDATE, ground.offers["foreign"])
    often = [[10_000 * n, bad] for n in range(360)]
    yield attack("bad-offer-for-ever", cases.SIGNATURE, packets=often, image="foreign", most_downloads=7, **hour)
    yield attack("bad-offer-retained", cases.SIGNATURE, image="foreign", retained=True, most_downloads=7,
                 **hour | {"pushes": 50})  # fmt: skip
    for n, kind in ((2, "taking-turns"), (500, "always-another")):
        places = [{"https_url": f"https://files/{at % n}"} for at in range(60)]
        yield attack(kind, cases.SIGNATURE, image="foreign", broker_script=places, again_ms=1_000,
                     **hour | {"pushes": 60, "ends_ms": 5 * cases.MINUTE_MS})  # fmt: skip
    again = packet(UPDATE, ground.offers["new"])
    done = hour | {"needs_downloads": 0, "ends_ms": 10 * cases.MINUTE_MS, "untouched": True}
    yield after_success("good-offer-for-ever", cases.SAME, packets=[], retained=True, **done | {"pushes": 50})
    yield after_success("good-offer-flood", cases.SAME, **done | {"pushes": 1, "repeats": 200})
    yield twin("often", packets=[[400 * n, again] for n in range(8)])


def _meanwhile(ground: Ground) -> Iterator[Case]:
    """Another offer while one is downloaded, judged, or about to reboot: the first one wins."""
    for name in ("older", "next", "foreign", "other-board"):
        for ms in range(0, 300, 20):
            second = packet(UPDATE, ground.offers[name])
            yield twin(f"second-{name}-{ms}", packets=[[ms, second]])


def offers(ground: Ground) -> Iterator[Case]:
    """Payloads that are no offer: types, numbers, nesting, keys, lengths."""
    offer = ground.offers["new"]
    values = (1.0, 1e300, -1, 2**31, 2**63, 2**64, 2**70, 10**400, True, None, "", "1", [], {}, [[]], "\0", "x" * 3500)
    for field in ("size", "upgrade_delay"):
        for value in values:
            if (field, value) != ("upgrade_delay", 2**31):  # a time to come, so the offer waits
                text = f"{field}={value!r}"[:40]
                yield attack(text, cases.MESSAGE, cases.OVERFLOW, offer={field: value}, untouched=True)
    yield attack("size-as-float", cases.MESSAGE, offer={"size": float(offer["size"])}, untouched=True)
    for key in ("msg_sequence", "time", "data"):
        for value in (1.5, True, None, "1", [], -1, 2**70, "absent"):
            whole = {"msg_sequence": 1, "time": cases.NOW, "data": offer, key: value}
            whole = {name: entry for name, entry in whole.items() if entry != "absent"}
            yield _raw(f"{key}={value!r}", json.dumps(whole).encode())
    for name, payload in _payloads(offer).items():
        yield _raw(name, payload)
    yield twin("unknown-fields", offer={"x": None, "http": 1, "note": "\u4e0b" * 20})
    yield twin("seconds", offer={"upgrade_delay": cases.NOW - 5})
    yield twin("milliseconds", offer={"upgrade_delay": (cases.NOW - 5) * 1000})
    spaced = json.dumps({"data": offer, "time": cases.NOW, "msg_sequence": 2**32}, indent=2).encode()
    yield twin("spaced", packets=[[300, packet(UPDATE, spaced)]], pushes=0)


def _raw(identity: str, payload: bytes) -> Case:
    return attack(identity, cases.MESSAGE, packets=[[300, packet(UPDATE, payload)]], pushes=0, untouched=True)


def _payloads(offer: Case) -> dict[str, bytes]:
    right = json.dumps({"msg_sequence": 1, "time": cases.NOW, "data": offer}).encode()
    return {
        "empty": b"", "nul": b"\0" * 64, "null": b"null", "number": b"5", "text": b'"x"', "list": b"[" + right + b"]",
        "half": right[: len(right) // 2], "without-end": right[:-1], "twice": right + right, "tail": right + b"x",
        "nul-tail": right + b"\0", "bom": b"\xef\xbb\xbf" + right, "utf-16": right.decode().encode("utf-16"),
        "not-utf-8": right[:-2] + b', "x": "\xff\xfe"}}', "single-quotes": right.replace(b'"', b"'"),
        "comment": b"/* */" + right, "deep-list": b"[" * 3000, "deep-object": b'{"a":' * 700 + b"1" + b"}" * 700,
        "deep-beside": right[:-1] + b', "x": ' + b"[" * 60 + b"]" * 60 + b"}",
        "data-twice": right[:-1] + b', "data": {"size": 5}}', "data-in-data": right.replace(b'"data"', b'"data": {"data"') + b"}",
        "nan": right.replace(str(offer["size"]).encode(), b"NaN"), "long-number": b'{"msg_sequence": ' + b"9" * 3000 + b"}",
        "many-keys": b"{" + b",".join(b'"%d": 0' % n for n in range(400)) + b"}",
        "4096": right[:-1] + b" " * (4097 - len(right)) + b"}", "64k": right[:-1] + b" " * 65536 + b"}",
        "escape": right.replace(b"https://", b"https:\\u002f\\u000a/"),
    }  # fmt: skip


def packets(ground: Ground) -> Iterator[Case]:
    """MQTT that is none. The board may lose its broker over it, and must find it again."""
    offer = ground.offers["new"]
    good = bytes.fromhex(packet(UPDATE, offer))
    lost: Case = {"pushes": 0, "ends_ms": 30_000, "untouched": True}
    for name, raw in {
        "half": good[: len(good) // 2], "only-type": good[:1], "only-length": good[:3], "announces-more": good[:1]
        + _length(4000) + good[3:], "huge": b"\x32\xff\xff\xff\x7f" + good[3:], "endless-length": b"\x32" + b"\xff" * 60,
        "no-topic": b"\x32\x02\0\0", "topic-longer-than-packet": b"\x32\x04\xff\xff\0\0", "zero": b"\x32\0",
        "short": b"\x32\x01\0", "qos-2": bytes.fromhex(packet(UPDATE, ground.offers["older"], qos=2)),
        "qos-3": bytes.fromhex(packet(UPDATE, ground.offers["older"], qos=3)), "puback": b"\x40\x02\0\x09" * 3, "suback": b"\x90\x03\0\1\1",
        "connack-again": b"\x20\x02\0\0", "pingresp": b"\xd0\0" * 50, "pingresp-long": b"\xd0\x05abcde",
        "type-0": b"\0" * 40, "type-15": b"\xf0\0", "connect": b"\x10\x04\0\4MQ", "garbage": bytes(range(256)),
        "text": b"HTTP/1.1 400 Bad Request\r\n\r\n", "pubrel": b"\x62\x02\0\1", "topic-nul": b"\x32\x08\0\x02\0\0\0\1{}",
        "negative": b"\x32\x03\0\x10a",
    }.items():  # fmt: skip
        yield attack(name, packets=[[400, raw.hex()]], **lost) | {"silent": False}
    for name, topic_packet in {
        "other-device": packet(UPDATE, offer, mac="0000DEADBEEF"), "lower-case": packet(UPDATE, offer, mac=MAC.lower()),
        "own-report": packet("firmware/report", offer), "prefix": packet("update/x", offer), "get": packet("get", offer),
        "wildcard": packet("#", offer), "nul": packet("update\0", offer), "long-topic": packet("u" * 4000, offer),
    }.items():  # fmt: skip
        yield attack(f"topic-{name}", packets=[[400, topic_packet]], **lost)
    for name, says in _conversations(good, packet(UPDATE, ground.offers["older"])).items():
        yield attack(f"says-{name}", says=says, **lost) | {"silent": False}
    for at in (0, 4, 30):
        slow = {"peer": "broker", "nth": None, "kind": "trickle", "at": at}
        yield attack(f"slow-{at}", net=[slow], **lost | {"ends_ms": 90_000}) | {"silent": False}
    yield twin("qos-0", packets=[[400, packet(UPDATE, offer, qos=0)]], pushes=0)
    yield twin("among-others", packets=[[300, packet("get", offer) + "d000" + packet(UPDATE, offer)]], pushes=0)


def _conversations(good: bytes, older: str) -> dict[str, dict[str, str]]:
    refusals = {f"refused-{code}": {"connack": f"200200{code:02x}"} for code in (1, 2, 3, 4, 5, 6, 255)}
    return refusals | {
        "no-connack": {"connack": ""}, "half-connack": {"connack": "2002"}, "connack-of-9": {"connack": "2009" + "00" * 9},
        "connack-text": {"connack": b"SSH-2.0-x\r\n".hex()}, "offer-first": {"connack": good.hex()},
        "garbage-after": {"greeting": bytes(range(1, 200)).hex()}, "nul-after": {"greeting": "00" * 100},
        "suback-refused": {"suback": "900300018080"}, "suback-80": {"suback": "9003000180"}, "suback-none": {"suback": ""},
        "suback-other": {"suback": "9003777701"}, "puback-none": {"puback": ""}, "puback-other": {"puback": "40027777"},
        "puback-long": {"puback": "4009" + "00" * 9}, "flood": {"flood": "d000" * 32}, "flood-ff": {"flood": "ff" * 64},
        "flood-length": {"greeting": "32", "flood": "ff" * 64}, "flood-publish": {"flood": older},
        "flood-puback": {"flood": "40027777" * 16},
    }  # fmt: skip
