"""MQTT packets made and read by hand: bytes of the standard, and what was made is read again."""

from __future__ import annotations

import pytest

from tools.server.packets import mqttpackets


@pytest.mark.parametrize(
    ("size", "length"),
    [
        (0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"), (2_097_151, "ffff7f"),
        (2_097_152, "80808001"), (268_435_455, "ffffff7f"),
    ],
)  # fmt: skip
def test_remaining_length(size: int, length: str) -> None:
    """Table 2.4 of the standard."""
    assert mqttpackets.remaining_length(size).hex() == length


def test_what_a_client_says() -> None:
    said = mqttpackets.connect("me", "us\u00e9r", 600, mqttpackets.CLEAN_SESSION)
    assert said == b"\x10\x15\0\4MQTT\4\x82\2\x58\0\2me\0\5us\xc3\xa9r"
    assert mqttpackets.subscribe(258, "a/b", b"#") == b"\x82\x0c\1\2\0\3a/b\1\0\1#\1"
    assert mqttpackets.publish("t", b"xy", 7) == b"\x32\7\0\1t\0\7xy"
    assert mqttpackets.publish(b"t", b"xy", 7, qos=0) == b"\x30\5\0\1txy"
    assert mqttpackets.packet(mqttpackets.DISCONNECT) == b"\xe0\0"


@pytest.mark.parametrize("size", [0, 100, 200, 20_000])
def test_what_was_made_is_read_again_once_it_is_whole(size: int) -> None:
    made = mqttpackets.publish("topic", bytes(size), 9)
    for end in (0, 1, 2, len(made) - 1):
        assert mqttpackets.take(made[:end]) is None
    kind, body, rest = mqttpackets.take(made + b"more")
    assert (kind, rest) == (mqttpackets.PUBLISH_QOS_1, b"more")
    topic, end = mqttpackets.text_at(body)
    assert (topic, body[end:]) == (b"topic", b"\0\x09" + bytes(size))
