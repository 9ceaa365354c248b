"""Offers as other clients write them; a Wi-Fi with an emoji."""

from __future__ import annotations

import json

import checks
import pytest
import steps

from tools.testbed.testbed import MAC

SSID, PASSWORD = "Küche 🍳", "geheim 🔑 123"
LATER = 4_000_000_000  # Unix s
NOW_MS = 1_795_590_551_000
DEEP = json.loads('{"a":' * 40 + '[1, {"k": "}"}]' + "}" * 40)


def _envelope(data: dict, **envelope: object) -> dict:
    return {"msg_sequence": 1, "time": NOW_MS, "data": data} | envelope


def _forms(good: dict) -> dict[str, bytes]:
    """The same offer by its form, each for another time, so that each is news."""
    made = {
        "float time": _envelope(good, time=NOW_MS + 0.5),
        "ISO time": _envelope(good, time="2026-11-29T00:00:00Z"),
        "no time": {"msg_sequence": 1, "data": good},
        "milliseconds as sequence": _envelope(good, msg_sequence=NOW_MS),
        "text as sequence": _envelope(good, msg_sequence="7"),
        "only data": {"data": good},
        "empty http_url": _envelope(good | {"http_url": ""}),
        "null http_url": _envelope(good | {"http_url": None}),
        "a wrong http_url that nobody uses": _envelope(good | {"http_url": "not a URL"}),
        "size as 12345.0": _envelope(good | {"size": float(good["size"])}),
        "deep": _envelope(good | {"meta": DEEP}),
        "emoji": _envelope(good | {"note": "🎉 release", "who": {"🔑": "💡"}}),
    }
    forms = {}
    for number, (what, message) in enumerate(made.items()):
        later = {**message, "data": {**message["data"], "upgrade_delay": LATER + number}}
        escaped = number % 2 == 0  # paho with Python's json; JavaScript, mosquitto_pub
        forms[what] = json.dumps(later, ensure_ascii=escaped, indent=number % 3 or None).encode()
    forms["emoji, escaped"] = json.dumps(
        _envelope(good | {"note": "🎉", "upgrade_delay": LATER + len(made)})
    ).encode()
    return forms


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_messages_of_other_clients_are_taken(make_testbed, runtime):
    testbed = make_testbed(runtime=runtime)
    steps.online(testbed)
    image, good = steps.new_offer(testbed)
    for number, (what, payload) in enumerate(_forms(good).items()):
        testbed.operator.publish(MAC, "update", payload)
        try:
            testbed.board.wait_for(f"update waits until {LATER + number}")
        except TimeoutError as late:
            raise AssertionError(f"{what}: {late}") from None
    whole = json.dumps(_envelope(good | {"upgrade_delay": None})).encode()
    testbed.operator.publish(MAC, "update", b"\xef\xbb\xbf" + whole + b"\r\n")  # of a Windows file
    assert testbed.wait_report("UPDATE").data["version"] == "1.0.1"
    assert testbed.board.slot("ota_1", len(image)) == image
    assert checks.error_codes(testbed) == []


@pytest.mark.parametrize("escaped", [False, True], ids=["UTF-8", "escaped"])
def test_a_network_with_an_emoji(make_testbed, escaped):
    """What the chip is given are the bytes of UTF-8; a file whose writer escapes them says the same."""
    testbed = make_testbed()
    board = testbed.board
    board.facts["networks"] = {SSID: PASSWORD}
    path = board.folder / "fs" / "ota.json"
    config = json.loads(path.read_bytes()) | {"wifi": [[SSID, PASSWORD]]}
    path.write_bytes(json.dumps(config, ensure_ascii=escaped).encode())
    board.provision()
    steps.online(testbed)
    assert steps.lines_with(testbed, "no connection") == 0
