"""Attacks by what is said instead of MQTT: packets cut, blown up, out of turn, for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tools.server.packets import mqttpackets
from tools.testbed.testbed import MAC
from tools.torture.attacks import cases
from tools.torture.attacks.cases import Case, attack, control
from tools.torture.attacks.forge import Ground

UPDATE, RESPONSE = "update", "response"


def packet(name: str, data: Any, sequence: object = 0, *, qos: int = 1, mac: str = MAC) -> str:
    """Hex of an MQTT PUBLISH with an offer. data: its fields, or the whole payload as bytes."""
    if not isinstance(data, bytes):
        data = json.dumps({"msg_sequence": sequence, "time": cases.NOW, "data": data}).encode()
    return mqttpackets.publish(f"wm_iot/{mac}/ota/{name}", data, 0x1234, qos).hex()


def packets(ground: Ground) -> Iterator[Case]:
    """Packets that are not MQTT. The board may lose its broker over it, and must find it again."""
    offer = ground.offers["new"]
    good = bytes.fromhex(packet(UPDATE, offer))
    lost: Case = {"pushes": 0, "ends_ms": 30_000, "untouched": True}
    for name, raw in _broken(good, ground.offers["older"]).items():
        yield attack(name, packets=[[400, raw.hex()]], **lost) | {"silent": False}
    for name, foreign in _topics(offer).items():
        yield attack(f"topic-{name}", packets=[[400, foreign]], **lost)
    for name, says in _conversations(good, packet(UPDATE, ground.offers["older"])).items():
        yield attack(f"says-{name}", says=says, **lost) | {"silent": False}
    for at in (0, 4, 30):
        slow = {"peer": "broker", "nth": None, "kind": "trickle", "at": at}
        yield attack(f"slow-{at}", net=[slow], **lost | {"ends_ms": 90_000}) | {"silent": False}
    yield control("qos-0", packets=[[400, packet(UPDATE, offer, qos=0)]], pushes=0)
    yield control(
        "among-others", packets=[[300, packet("get", offer) + "d000" + packet(UPDATE, offer)]], pushes=0
    )


def _broken(good: bytes, older: Case) -> dict[str, bytes]:
    return {
        "half": good[: len(good) // 2],
        "only-type": good[:1],
        "only-length": good[:3],
        "announces-more": good[:1] + mqttpackets.remaining_length(4000) + good[3:],
        "huge": b"\x32\xff\xff\xff\x7f" + good[3:],
        "endless-length": b"\x32" + b"\xff" * 60,
        "no-topic": b"\x32\x02\0\0",
        "topic-longer-than-packet": b"\x32\x04\xff\xff\0\0",
        "zero": b"\x32\0",
        "short": b"\x32\x01\0",
        "qos-2": bytes.fromhex(packet(UPDATE, older, qos=2)),
        "qos-3": bytes.fromhex(packet(UPDATE, older, qos=3)),
        "puback": b"\x40\x02\0\x09" * 3,
        "suback": b"\x90\x03\0\1\1",
        "connack-again": b"\x20\x02\0\0",
        "pingresp": b"\xd0\0" * 50,
        "pingresp-long": b"\xd0\x05abcde",
        "type-0": b"\0" * 40,
        "type-15": b"\xf0\0",
        "connect": b"\x10\x04\0\4MQ",
        "garbage": bytes(range(256)),
        "text": b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "pubrel": b"\x62\x02\0\1",
        "binary-topic": b"\x32\x08\0\x02\0\0\0\1{}",
        "negative": b"\x32\x03\0\x10a",
    }


def _topics(offer: Case) -> dict[str, str]:
    return {
        "other-device": packet(UPDATE, offer, mac="0000DEADBEEF"),
        "lower-case": packet(UPDATE, offer, mac=MAC.lower()),
        "own-report": packet("firmware/report", offer),
        "prefix": packet("update/x", offer),
        "get": packet("get", offer),
        "wildcard": packet("#", offer),
        "nul": packet("update\0", offer),
        "long-topic": packet("u" * 4000, offer),
    }


def _conversations(good: bytes, older: str) -> dict[str, dict[str, str]]:
    refusals = {f"refused-{code}": {"connack": f"200200{code:02x}"} for code in (1, 2, 3, 4, 5, 6, 255)}
    return refusals | {
        "no-connack": {"connack": ""},
        "half-connack": {"connack": "2002"},
        "connack-of-9": {"connack": "2009" + "00" * 9},
        "connack-text": {"connack": b"SSH-2.0-x\r\n".hex()},
        "offer-first": {"connack": good.hex()},
        "garbage-after": {"greeting": bytes(range(1, 200)).hex()},
        "nul-after": {"greeting": "00" * 100},
        "suback-refused": {"suback": "900300018080"},
        "suback-80": {"suback": "9003000180"},
        "suback-none": {"suback": ""},
        "suback-other": {"suback": "9003777701"},
        "puback-none": {"puback": ""},
        "puback-other": {"puback": "40027777"},
        "puback-long": {"puback": "4009" + "00" * 9},
        "flood": {"flood": "d000" * 32},
        "flood-ff": {"flood": "ff" * 64},
        "flood-length": {"greeting": "32", "flood": "ff" * 64},
        "flood-publish": {"flood": older},
        "flood-puback": {"flood": "40027777" * 16},
    }
