"""Nothing secret is ever printed, published or stored: passwords, tokens and private keys as canaries.

Their only places on a board are its configuration and its certificates; a token in a URL stands in
ota_state.json as long as its offer waits or is being installed, and no longer.
"""

from __future__ import annotations

import base64
import json

import badcerts
import pytest
import steps
from apps import AGENT
from cryptography.hazmat.primitives.asymmetric import ec
from rawserver import RawServer, server_context

from device import errors
from tools.keys import keyfiles, pki
from tools.server.files import Fault
from tools.testbed.testbed import MAC, WIFI

CANARY_WIFI = "canary-wifi-9f31"
CANARY_BROKER = "canary-broker-77ac"
CANARY_TOKEN = "canary-token-51d8"
QUERY = "?token=" + CANARY_TOKEN
HOOK_CRASHES = AGENT + "agent.Agent(settings, before_reboot=lambda: settings.wifi[9][1]).run()\n"
# What no one may see on the board but the agent itself.
PRIVATE_FILES = ("ota.json", "certs")


def _secrets(testbed) -> dict[str, list[bytes]]:
    """Every spelling a leak could have."""
    client = testbed.keys / "devices" / MAC / "client.key.der"
    texts = {"Wi-Fi": WIFI[1], "other Wi-Fi": CANARY_WIFI, "broker": CANARY_BROKER, "token": CANARY_TOKEN}
    raw = {name: text.encode() for name, text in texts.items()}
    raw |= {"client key": client.read_bytes(), "its number": _number(keyfiles.read_key(client))}
    signing_key = testbed.signing_key
    raw |= {"signing key": keyfiles.key_bytes(signing_key, "der"), "that number": _number(signing_key)}
    return {name: _spellings(secret) for name, secret in raw.items()}


def _number(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(32, "big")


def _spellings(secret: bytes) -> list[bytes]:
    spelt = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    spelt.append(repr(secret)[2:-1].encode())
    # Base64 of a part that begins at any byte has one of three forms; the ends belong to others.
    spelt += [base64.b64encode(secret[shift:])[:16] for shift in range(3)]
    return spelt


def _said(testbed) -> bytes:
    """The console, what was published, and the broker's log."""
    console = "\n".join(testbed.board.lines).encode()
    published = [message.payload for message in testbed.operator.messages]
    return b"\n".join([console, *published, testbed.broker.log.read_bytes()])


def _stored(testbed) -> bytes:
    """The flash without the file system, and its files but for the private ones. Switches the board off."""
    board = testbed.board
    board.cut_power()
    flash = board.flash(0, board.partition("vfs")[0])
    if testbed.runtime != "cpython":
        return flash + json.dumps(board.state()).encode()
    folder = board.folder / "fs"
    files = [path for path in folder.rglob("*") if path.relative_to(folder).parts[0] not in PRIVATE_FILES]
    return flash + b"\n".join(path.read_bytes() for path in files if path.is_file())


def _check_silent(testbed, *expected: str):
    """expected: what must be there, so that looking at nothing cannot pass."""
    seen = _said(testbed) + _stored(testbed)
    for text in (*expected, '"slots"'):
        assert text.encode() in seen
    for name, spellings in _secrets(testbed).items():
        for spelling in spellings:
            assert spelling not in seen, name


@pytest.mark.parametrize(("runtime", "language"), [("mp32", "zh"), ("cpython", "en")])
def test_update_and_failures(make_testbed, make_app, runtime, language):
    """A network that refuses us, refusals, redirects, a hook that crashes, an update; URLs with a token."""
    config = {
        "wifi": [["cafe", CANARY_WIFI], list(WIFI)],
        "wifi_timeout_s": 1,
        "broker_password": CANARY_BROKER,
        "language": language,
        "checkpoint_kib": 4,
    }
    testbed = make_testbed(runtime=runtime, config=config, app=make_app(HOOK_CRASHES))
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    url = offer["https_url"]
    offer["https_url"] = url + QUERY
    steps.refuse(testbed, offer | {"version": "1.0.0"}, errors.SAME_VERSION)
    steps.refuse(testbed, offer | {"https_url": f"https://127.0.0.1 {QUERY}"}, errors.BAD_MESSAGE)
    steps.refuse(testbed, offer | {"https_url": f"{url}.none{QUERY}"}, errors.HTTP_STATUS)
    testbed.files.fail(Fault(status=302, headers={"Location": testbed.files.http_url("x") + QUERY}))
    steps.refuse(testbed, offer, errors.HTTP_STATUS)
    testbed.files.fail(Fault(status=302, headers={"Location": url + QUERY}))
    testbed.files.fail(Fault(cut_after=30000))
    steps.update(testbed, offer)
    testbed.board.wait_for("confirmed 1.0.1")
    expected = ("sta got ip", '"version": "1.0.1"', "'cafe'", "redirect refused", "404", "closed early")
    _check_silent(testbed, *expected, "IndexError", "New client connected")


def test_failed_offer(make_testbed):
    """What is kept of it has no token."""
    testbed = make_testbed()
    steps.online(testbed)
    _, offer = steps.new_offer(testbed)
    steps.refuse(testbed, offer | {"https_url": f"{offer['https_url']}.none{QUERY}"}, errors.HTTP_STATUS)
    testbed.board.wait_for("404")  # the report may be here before the line on the console
    _check_silent(testbed, "404", "firmware-1.0.1.img.none")


def test_wrong_wifi_password(make_testbed):
    testbed = make_testbed(config={"wifi": [[WIFI[0], CANARY_WIFI]], "wifi_timeout_s": 1})
    testbed.board.power_on()
    testbed.board.wait_for(str(errors.NO_GOT_IP))
    _check_silent(testbed, f"'{WIFI[0]}'")


def test_refused_broker_password(make_testbed):
    """The broker has got it, so the canary was in use."""
    connack = b"\x20\x02\x00\x05"
    with RawServer(lambda request: [connack], until=CANARY_BROKER.encode()) as broker:
        config = {"broker": f"mqtt://localhost:{broker.port}", "broker_password": CANARY_BROKER}
        testbed = make_testbed(config=config)
        testbed.board.power_on()
        testbed.board.wait_for("broker refused")
        assert broker.requests
    _check_silent(testbed, "broker refused")


def test_refused_broker_certificate(make_testbed, testbed_folder):
    keys = testbed_folder / "keys"
    pki.make_all(keys, [MAC])
    keyfiles.write_pair(keys, "bad", badcerts.BAD["expired"][1](keyfiles.read_pair(keys, "broker-ca")))
    with RawServer(lambda request: [], server_context(keys, "bad")) as broker:
        config = {"broker": f"mqtts://localhost:{broker.port}", "broker_password": CANARY_BROKER}
        testbed = make_testbed(config=config)
        testbed.board.power_on()
        testbed.board.wait_for(str(errors.TLS_REFUSED))
        assert broker.requests == []
    _check_silent(testbed, str(errors.TLS_REFUSED))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("wifi", [["home", CANARY_WIFI, "third"]]),
        ("wifi", [["home", CANARY_WIFI * 20]]),
        ("wifi", {"home": CANARY_WIFI}),
        ("broker_password", [CANARY_BROKER]),
        ("broker_password", CANARY_BROKER * 500),
        ("broker", f"mqtts://user:{CANARY_BROKER}@localhost"),
    ],
)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_bad_configuration(make_testbed, runtime, key, value):
    """The key is named, its value is not."""
    testbed = make_testbed(runtime=runtime, config={key: value})
    testbed.board.power_on()
    testbed.board.wait_for(f"bad value for '{key}'")
    _check_silent(testbed, key)


@pytest.mark.parametrize("name", ["client.key.der", "client.crt.der"])
def test_damaged_key(make_testbed, name):
    """Half a key is refused without being shown."""
    testbed = make_testbed()
    path = testbed.board.folder / "fs" / "certs" / name
    path.write_bytes(path.read_bytes()[:-20])
    testbed.board.provision()
    testbed.board.power_on()
    testbed.board.wait_for("certificate or key unusable")
    _check_silent(testbed, "unusable")


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_a_leak_would_be_found(make_testbed, make_app, runtime):
    """The control: an application that prints or stores each secret in turn fails every search."""
    leaks = f"""
import binascii
import json
import time
with open("certs/client.key.der", "rb") as file:
    key = file.read()
print({WIFI[1]!r})
print(binascii.hexlify(key))
print(binascii.b2a_base64(key))
with open("ota_state.json", "w") as file:
    file.write(json.dumps({{"slots": {CANARY_TOKEN!r}}}))
print("all told")
time.sleep(60)
"""
    testbed = make_testbed(runtime=runtime, app=make_app(leaks))
    testbed.board.power_on()
    testbed.board.wait_for("all told")
    said, stored = _said(testbed), _stored(testbed)
    secrets = _secrets(testbed)
    assert any(spelling in said for spelling in secrets["Wi-Fi"])
    assert secrets["client key"][1] in said
    assert secrets["client key"][4] in said
    assert any(spelling in said for spelling in secrets["its number"])
    assert secrets["token"][0] in stored
    with pytest.raises(AssertionError):
        _check_silent(testbed)
