"""Nothing secret is ever printed or published: passwords and private keys as canaries."""

from __future__ import annotations

import base64

import acts
import pytest

from tools import pki
from tools.stage import MAC, WIFI

CANARY_WIFI = "canary-wifi-9f31"
CANARY_BROKER = "canary-broker-77ac"


def _secrets(stage) -> dict[str, list[bytes]]:
    """Every spelling a leak could have."""
    device = stage.keys / "devices" / MAC
    private = pki.read_key(device / "client.key.der").private_numbers().private_value
    number = private.to_bytes(32, "big")
    keys = {"client key": (device / "client.key.der").read_bytes(), "its number": number}
    texts = {"Wi-Fi": WIFI[1], "other Wi-Fi": CANARY_WIFI, "broker": CANARY_BROKER}
    raw = keys | {name: text.encode() for name, text in texts.items()}
    return {name: _spellings(secret) for name, secret in raw.items()}


def _spellings(secret: bytes) -> list[bytes]:
    spelt = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    spelt.append(repr(secret)[2:-1].encode())
    # Base64 of a part that begins at any byte has one of three forms; the ends belong to others.
    spelt += [base64.b64encode(secret[shift:])[:16] for shift in range(3)]
    return spelt


def _check_silent(stage, *expected: str):
    """expected: what must be there, so that looking at nothing cannot pass."""
    said = "\n".join(stage.board.lines).encode()
    said += b"\n".join(message.payload for message in stage.operator.messages)
    for text in expected:
        assert text.encode() in said
    for name, spellings in _secrets(stage).items():
        for spelling in spellings:
            assert spelling not in said, name


@pytest.mark.parametrize(("runtime", "language"), [("mp32", "zh"), ("cpython", "en")])
def test_update_and_failures(make_stage, runtime, language):
    """A network that refuses us, a refusal, a broken link and an update."""
    config = {
        "wifi": [["cafe", CANARY_WIFI], list(WIFI)],
        "wifi_timeout_s": 1,
        "broker_password": CANARY_BROKER,
        "language": language,
    }
    stage = make_stage(runtime=runtime, config=config)
    acts.online(stage)
    image, offer = acts.new_offer(stage)
    acts.refuse(stage, offer | {"version": "1.0.0"}, -10003)
    stage.board.wifi(False)
    stage.board.wait_for("-10007")
    stage.board.wifi(True)
    acts.update(stage, offer)
    acts.wait_lines(stage, "Wi-Fi 'cafe': no connection", 3)
    _check_silent(stage, "sta got ip", '"version": "1.0.1"', "'cafe'")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("wifi", [["home", CANARY_WIFI, "third"]]),
        ("wifi", [["home", CANARY_WIFI * 20]]),
        ("broker_password", [CANARY_BROKER]),
        ("broker_password", CANARY_BROKER * 20),
    ],
)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_bad_configuration(make_stage, runtime, key, value):
    """The key is named, its value is not."""
    stage = make_stage(runtime=runtime, config={key: value})
    stage.board.power_on()
    stage.board.wait_for(f"bad value for '{key}'")
    _check_silent(stage, key)


@pytest.mark.parametrize("name", ["client.key.der", "client.crt.der"])
def test_damaged_key(make_stage, name):
    """Half a key is refused without being shown."""
    stage = make_stage()
    path = stage.board.folder / "fs" / "certs" / name
    path.write_bytes(path.read_bytes()[:-20])
    stage.board.provision()
    stage.board.power_on()
    stage.board.wait_for("certificate or key unusable")
    _check_silent(stage, "unusable")


def test_a_leak_would_be_found(make_stage, make_app):
    """The control: an application that prints each secret in turn fails every search."""
    leaks = f"""
import binascii
import time
with open("certs/client.key.der", "rb") as file:
    key = file.read()
print({WIFI[1]!r})
print(binascii.hexlify(key))
print(binascii.b2a_base64(key))
print("all told")
time.sleep(60)
"""
    stage = make_stage(app=make_app(leaks))
    stage.board.power_on()
    stage.board.wait_for("all told")
    said = "\n".join(stage.board.lines).encode()
    secrets = _secrets(stage)
    assert any(spelling in said for spelling in secrets["Wi-Fi"])
    assert secrets["client key"][1] in said
    assert secrets["client key"][4] in said
    assert any(spelling in said for spelling in secrets["its number"])
