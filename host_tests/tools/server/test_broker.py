"""The broker, and the operator of demo and tests who speaks through it: who comes in, and what it reaches."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pace
import pytest
from cryptography.hazmat.primitives import serialization
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tools.errors import ToolError
from tools.keys import certificates, keyfiles, pki
from tools.server.broker import Broker, free_port
from tools.testbed.operator import Operator

MAC = "AABBCCDDEEFF"
OTHER_MAC = "112233445566"
OFFER = {"version": "1.2.3", "https_url": "https://a/b"}
WAIT_S = pace.HANG_S
NOTHING_S = 0.5
NEAR_S = 300  # between two looks at the clock, on the slowest machine


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "pki"
    pki.make_all(folder, [MAC, OTHER_MAC])
    for mac in (MAC, OTHER_MAC):
        client = keyfiles.read_pair(folder / "devices" / mac, "client", form="der")
        keyfiles.write_pair(folder, mac, client)
    return folder


class Device:
    """A plain paho client with a device's certificate, or none."""

    def __init__(self, broker: Broker, keys: Path, identity: str | None, **options: object) -> None:
        self.received: list[tuple[str, dict]] = []
        self.connected = self.subscribed = False
        self.ended: object = None
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, str(identity), **options)
        context = ssl.create_default_context(cafile=str(keys / "broker-ca.crt.pem"))
        if identity:
            context.load_cert_chain(keys / f"{identity}.crt.pem", keys / f"{identity}.key.pem")
        self.client.tls_set_context(context)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()

    def _on_connect(self, client, _, __, reason, ___) -> None:
        self.connected = not reason.is_failure
        client.subscribe("#", 1)

    def _on_subscribe(self, *_: object) -> None:
        self.subscribed = True

    def _on_message(self, _, __, message) -> None:
        self.received.append((message.topic, json.loads(message.payload)))

    def send(self, name: str, data: dict, mac: str = MAC, sequence: int = 0) -> None:
        payload = json.dumps({"msg_sequence": sequence, "time": 1, "data": data})
        info = self.client.publish(f"wm_iot/{mac}/ota/{name}", payload, 1)
        info.wait_for_publish(WAIT_S)
        assert info.is_published()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def _until(condition, timeout_s: float = WAIT_S) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


@pytest.fixture
def broker(keys: Path, tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker", keys, plain=True) as broker:
        yield broker


@pytest.fixture
def operator(broker: Broker, keys: Path) -> Iterator[Operator]:
    with Operator(broker.servers_port, keys) as operator:
        yield operator


@pytest.fixture
def device(broker: Broker, keys: Path) -> Iterator[Device]:
    device = Device(broker, keys, MAC)
    assert _until(lambda: device.connected)
    yield device
    device.close()


def test_the_broker_speaks_tls_1_2_only(broker: Broker, keys: Path) -> None:
    for version, accepted in (("TLSv1_2", True), ("TLSv1_3", False)):
        context = ssl.create_default_context(cafile=str(keys / "broker-ca.crt.pem"))
        context.load_cert_chain(keys / f"{MAC}.crt.pem", keys / f"{MAC}.key.pem")
        context.minimum_version = getattr(ssl.TLSVersion, version)
        with socket.create_connection(("127.0.0.1", broker.port), timeout=WAIT_S) as sock:
            if accepted:
                with context.wrap_socket(sock, server_hostname="localhost") as stream:
                    assert stream.version() == "TLSv1.2"
            else:
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(sock, server_hostname="localhost")


def test_the_broker_wants_a_certificate_of_its_own_ca(broker: Broker, keys: Path) -> None:
    stranger = certificates.make_ca("OTA broker CA", certificates.valid_for(1))
    pair = certificates.issue(stranger, MAC, "client", certificates.valid_for(1))
    keyfiles.write_pair(broker.folder, "stranger", pair)
    for folder, identity in ((keys, None), (broker.folder, "stranger"), (keys, "broker")):
        context = ssl.create_default_context(cafile=str(keys / "broker-ca.crt.pem"))
        if identity:
            context.load_cert_chain(folder / f"{identity}.crt.pem", folder / f"{identity}.key.pem")
        sock = socket.create_connection(("127.0.0.1", broker.port), timeout=WAIT_S)
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            context.wrap_socket(sock, server_hostname="localhost").recv(1)
        sock.close()


def test_a_device_reaches_its_own_topics_only(device: Device, operator: Operator, broker: Broker) -> None:
    for name in ("firmware/report", "get", "progress/report"):
        device.send(name, {"from": "me"})
        device.send(name, {"from": "me"}, mac=OTHER_MAC)
    device.send("update", {"from": "me"})
    operator.push(OTHER_MAC, OFFER)
    operator.push(MAC, OFFER)
    assert _until(lambda: device.received)
    operator.wait_for(lambda m: m.name == "progress/report", WAIT_S)
    time.sleep(NOTHING_S)
    assert [m.name for m in operator.messages] == ["firmware/report", "get", "progress/report"]
    assert {m.mac for m in operator.messages} == {MAC}
    assert [topic for topic, _ in device.received] == [f"wm_iot/{MAC}/ota/update"]


def test_the_client_id_is_the_certificates_name(broker: Broker, keys: Path) -> None:
    """Otherwise one device could end another one's session by taking its client id."""
    victim = Device(broker, keys, MAC)
    assert _until(lambda: victim.connected)
    ended: list[object] = []
    victim.client.on_disconnect = lambda *_: ended.append(1)
    thief = mqtt.Client(CallbackAPIVersion.VERSION2, MAC)
    context = ssl.create_default_context(cafile=str(keys / "broker-ca.crt.pem"))
    pem = keys / OTHER_MAC
    context.load_cert_chain(f"{pem}.crt.pem", f"{pem}.key.pem")
    thief.tls_set_context(context)
    thief.connect("127.0.0.1", broker.port)
    thief.loop_start()
    assert _until(thief.is_connected)
    time.sleep(NOTHING_S)
    assert not ended
    thief.disconnect()
    thief.loop_stop()
    victim.close()


def test_push_and_what_the_device_says(device: Device, operator: Operator) -> None:
    operator.push(MAC, OFFER)
    operator.push(MAC, OFFER)
    assert _until(lambda: len(device.received) == 2)
    sequences = [message["msg_sequence"] for _, message in device.received]
    assert sequences == [0, 1]
    message = device.received[0][1]
    assert message["data"] == OFFER and abs(message["time"] / 1000 - time.time()) < NEAR_S
    device.send("progress/report", {"progress": 30}, sequence=7)
    heard = operator.wait_for(lambda m: m.data.get("progress") == 30, WAIT_S)
    assert (heard.mac, heard.name, heard.sequence) == (MAC, "progress/report", 7)


def test_get_is_answered_with_its_own_sequence(device: Device, operator: Operator) -> None:
    device.send("get", {}, sequence=40)
    device.send("progress/report", {}, sequence=140)
    operator.wait_for(lambda m: m.sequence == 140, WAIT_S)  # 40 is kept before it is reacted to
    operator.answer_get(MAC, OFFER)
    device.send("get", {}, sequence=41)
    assert _until(lambda: device.received)
    topic, message = device.received[0]
    assert topic == f"wm_iot/{MAC}/ota/response"
    assert (message["data"], message["msg_sequence"]) == (OFFER, 41)
    operator.answer_get(MAC, None)
    device.send("get", {}, sequence=42)
    assert not _until(lambda: len(device.received) > 1, NOTHING_S)


def test_an_offer_after_each_init(device: Device, operator: Operator) -> None:
    operator.offer_after_init(MAC, OFFER)
    device.send("firmware/report", {"type": "UPDATE"})
    device.send("firmware/report", {"type": "INIT"})
    assert _until(lambda: device.received)
    assert not _until(lambda: len(device.received) > 1, NOTHING_S)


def test_waiting_in_vain_tells_what_came(device: Device, operator: Operator) -> None:
    with pytest.raises(TimeoutError, match="nothing"):
        operator.wait_for(lambda m: True, 0.05)
    device.client.publish(f"wm_iot/{MAC}/ota/get", b"\xffnot json", 1).wait_for_publish(WAIT_S)
    message = operator.wait_for(lambda m: m.name == "get", WAIT_S)
    assert message.envelope is None and message.data == {} and message.sequence is None
    with pytest.raises(TimeoutError, match="AABBCCDDEEFF get .*not json"):
        operator.wait_for(lambda m: m.name == "update", 0.05)


def test_without_tls_a_client_is_whom_it_says(broker: Broker) -> None:
    with Operator(broker.plain_port, None) as operator:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, MAC)
        client.username_pw_set(MAC)
        client.connect("127.0.0.1", broker.plain_port)
        client.loop_start()
        client.publish(f"wm_iot/{OTHER_MAC}/ota/get", b"{}", 1)
        client.publish(f"wm_iot/{MAC}/ota/get", b"{}", 1)
        assert operator.wait_for(lambda m: m.name == "get", WAIT_S).mac == MAC
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restarted_broker_keeps_what_a_sleeping_device_missed(end: str, keys: Path, tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", keys, persistence=True) as broker:
        device = Device(broker, keys, MAC, clean_session=False)
        assert _until(lambda: device.subscribed)
        device.close()
        with Operator(broker.servers_port, keys) as operator:
            operator.push(MAC, OFFER)
            kept = broker.folder / "sessions" / "mosquitto.db"  # once a second it is replaced
            assert _until(lambda: kept.exists() and b'"1.2.3"' in kept.read_bytes())
            port = broker.port
            getattr(broker, end)()
            broker.restart()
            assert broker.port == port
            operator.wait_until_connected()
            device = Device(broker, keys, MAC, clean_session=False)
            assert _until(lambda: device.received)
            device.close()


def test_a_frozen_broker_keeps_connections(device: Device, broker: Broker, keys: Path) -> None:
    broker.freeze()
    info = device.client.publish(f"wm_iot/{MAC}/ota/get", b"{}", 1)
    info.wait_for_publish(NOTHING_S)
    assert not info.is_published() and device.client.is_connected()
    broker.thaw()
    info.wait_for_publish(WAIT_S)
    assert info.is_published()


def test_a_broker_that_cannot_start_says_why(keys: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ToolError, match="in use"), Broker(tmp_path / "b", keys, port):
            pass
    with (
        pytest.raises(ToolError, match="certificate|nothing"),
        Broker(tmp_path / "b", keys, server="nothing"),
    ):
        pass


def test_no_broker_is_a_tool_error(keys: Path) -> None:
    with pytest.raises(ToolError, match="no broker"), Operator(free_port(), keys):
        pass


def test_a_broker_refuses_an_operator_of_another_ca(broker: Broker, keys: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    pki.make_all(other, [])
    right = keyfiles.read_pair(keys, "broker-ca").certificate.public_bytes(serialization.Encoding.PEM)
    (other / "broker-ca.crt.pem").write_bytes(right)
    with pytest.raises(ToolError), Operator(broker.servers_port, other):
        pass
