"""Who has the key of the boards' authority can make boards, but no server: neither for the broker nor for
boards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import mqttboard
import pace
import pytest
from cryptography import x509

from tools.keys import certificates, identities, keyfiles, pki
from tools.server.broker import Broker
from tools.testbed.operator import Operator

MAC = "AABBCCDDEEFF"
NOTHING_S = 0.5
OFFER = {"version": "6.6.6"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forged") / "keys"
    pki.make_all(folder, [MAC])
    return folder


@pytest.fixture(scope="module")
def broker(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("forged") / "broker", keys / "server", persistence=True) as broker:
        yield broker


def _forged(keys: Path, port: int, name: str, user: str = "anybody") -> mqttboard.MqttBoard:
    pair = certificates.issue(
        keyfiles.read_pair(keys, "device-ca"), name, "client", certificates.valid_for(9), ["localhost"]
    )
    return mqttboard.MqttBoard(pair, (keys / "broker-ca.crt.pem").read_bytes(), port, user)


@pytest.mark.parametrize("stem", ["ota-server", "ota-server-1", "nobody"])
def test_a_forged_server_is_no_more_than_a_board(stem: str, keys: Path, broker: Broker) -> None:
    """Though the name in its certificate is the server's own, which it cannot know."""
    name = identities.login(keys, stem).client_id if stem != "nobody" else stem
    with mqttboard.of(keys, MAC, broker.port) as board, _forged(keys, broker.port, name) as forged:
        pace.until(lambda: board.connected and forged.connected, "both are connected")
        subscribed = f"{MAC} 1 wm_iot/{MAC}/ota/update"
        before = broker.log.read_text().count(subscribed)
        board.client.subscribe(f"wm_iot/{MAC}/ota/update", 1)
        pace.until(lambda: broker.log.read_text().count(subscribed) > before, "its subscription")
        for topic in ("#", "wm_iot/+/ota/get", f"wm_iot/{MAC}/ota/update"):
            forged.client.subscribe(topic, 1)
        forged.client.publish(f"wm_iot/{MAC}/ota/update", b"forged", 1).wait_for_publish(pace.HANG_S)
        with Operator(broker.servers_port, keys) as operator:
            board.client.publish(f"wm_iot/{MAC}/ota/get", b"{}", 1).wait_for_publish(pace.HANG_S)
            operator.wait_for(lambda message: message.mac == MAC, pace.HANG_S)
            operator.push(MAC, OFFER)
        pace.until(lambda: board.heard, "the board hears the server")
        time.sleep(NOTHING_S)
        assert all(b"forged" not in payload for _, payload in board.heard)
        assert not forged.heard


def test_what_waits_for_the_server_is_not_given_to_a_forged_one(keys: Path, broker: Broker) -> None:
    """The session has the name that the forged one knows; the control is the server itself."""
    topic = f"wm_iot/{MAC}/ota/firmware/report"
    with _lasting_server(keys, broker) as server:
        pace.until(lambda: server.connected, "the server is there")
        server.client.subscribe("wm_iot/+/ota/firmware/report", 1)
        pace.until(lambda: "firmware/report" in broker.log.read_text(), "its subscription")
    with mqttboard.of(keys, MAC, broker.port) as board:
        pace.until(lambda: board.connected, "the board is there")
        board.client.publish(topic, b"first", 1).wait_for_publish(pace.HANG_S)
        with _lasting_server(keys, broker) as server:
            pace.until(lambda: server.heard == [(topic, b"first")], "what waited")
        board.client.publish(topic, b"second", 1).wait_for_publish(pace.HANG_S)
        with _forged(keys, broker.port, identities.login(keys).client_id) as forged:
            pace.until(lambda: forged.connected, "the forged one is in its place")
            board.client.publish(topic, b"third", 1).wait_for_publish(pace.HANG_S)
            time.sleep(NOTHING_S)
            assert not forged.heard and forged.sessions == [True]


def _lasting_server(keys: Path, broker: Broker) -> mqttboard.MqttBoard:
    trusted = (keys / "broker-ca.crt.pem").read_bytes()
    pair = keyfiles.read_pair(keys, "ota-server")
    return mqttboard.MqttBoard(pair, trusted, broker.servers_port, identities.login(keys).user)


def test_the_port_for_servers_asks_for_a_certificate_of_their_authority(keys: Path, broker: Broker) -> None:
    with _forged(keys, broker.servers_port, *identities.login(keys)) as forged:
        pace.until(lambda: forged.refused, "it is refused")
        assert not forged.connected


def test_a_user_without_the_servers_key_has_no_rights_there(keys: Path, broker: Broker) -> None:
    """With a certificate of the servers' authority, under any name but the one that follows from the key."""
    other = certificates.issue(
        keyfiles.read_pair(keys, "broker-ca"), "ota-server", "client", certificates.valid_for(9)
    )
    with (
        mqttboard.MqttBoard(other, (keys / "broker-ca.crt.pem").read_bytes(), broker.servers_port) as client,
        mqttboard.of(keys, MAC, broker.port) as board,
    ):
        pace.until(lambda: client.connected and board.connected, "both are connected")
        client.client.subscribe("#", 1)
        with Operator(broker.servers_port, keys) as operator:
            board.client.publish(f"wm_iot/{MAC}/ota/get", b"{}", 1).wait_for_publish(pace.HANG_S)
            operator.wait_for(lambda message: message.mac == MAC, pace.HANG_S)
        time.sleep(NOTHING_S)
        assert not client.heard


def test_boards_trust_no_server_of_their_own_authority(keys: Path) -> None:
    """What they hold is the servers' authorities alone; test_handshakes.py shows that no others are taken."""
    issuer = keyfiles.read_certificate(keys / "device-ca.crt.pem")
    trusted: list[x509.Certificate] = []
    for name in ("broker_ca.der", "file_ca.der"):
        trusted += keyfiles.read_certificates(keys / "devices" / MAC / name)
    assert len(trusted) == 2 and issuer not in trusted
    assert not any(one.public_key() == issuer.public_key() for one in trusted)
