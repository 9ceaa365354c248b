"""What a device's certificate lets it do at the broker: its own five topics, nothing in another's name."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pace
import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tools.keys import identities, keyfiles, pki
from tools.keys.identities import SERVER_IDENTITY, Login
from tools.server.broker import Broker
from tools.testbed.operator import DEVICE_TOPICS, Operator

MAC = "AABBCCDDEEFF"  # the valid one
INTRUDER = "112233445566"
WAIT_S = pace.HANG_S
NOTHING_S = 0.5
PLACES = ("update", "response")  # where a device is spoken to
SUBSCRIPTIONS = (
    "#", "+/#", f"wm_iot/{MAC}/#", f"wm_iot/{MAC}/ota/update", f"wm_iot/{MAC}/ota/response",
    "wm_iot/+/ota/update", "wm_iot/+/ota/+", "$SYS/#", "$share/group/wm_iot/+/ota/update",
    f"wm_iot/{INTRUDER}/ota/get", f"wm_iot/{MAC.lower()}/#",
)  # fmt: skip
TOPICS = (
    *(f"wm_iot/{MAC}/ota/{name}" for name in (*DEVICE_TOPICS, *PLACES)),
    *(f"wm_iot/{INTRUDER}/ota/{name}" for name in PLACES),
    f"wm_iot/{INTRUDER}/ota/get/more", f"wm_iot/{INTRUDER}/ota", f"other/{INTRUDER}/ota/get",
    f"/wm_iot/{INTRUDER}/ota/get", "$SYS/broker/version", "wm_iot", "x",
)  # fmt: skip


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rights") / "keys"
    pki.make_all(folder, [MAC, INTRUDER])
    for mac in (MAC, INTRUDER):
        keyfiles.write_pair(folder, mac, keyfiles.read_pair(folder / "devices" / mac, "client", form="der"))
    return folder


@pytest.fixture(scope="module")
def broker(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("rights") / "broker", keys) as broker:
        yield broker


class Client:
    """Has the certificate of `identity`, and claims to be `claimed`. heard: (topic, payload).

    login: of a server, which comes in by the port for servers.
    """

    def __init__(
        self, broker: Broker, keys: Path, identity: str, claimed: str, will: str = "",
        login: Login | None = None,
    ) -> None:  # fmt: skip
        self.heard: list[tuple[str, bytes]] = []
        self.ended = False
        client_id, user = login or (claimed, claimed)
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id)
        self.client.username_pw_set(user, "anything")
        context = ssl.create_default_context(cafile=str(keys / "broker-ca.crt.pem"))
        context.load_cert_chain(keys / f"{identity}.crt.pem", keys / f"{identity}.key.pem")
        self.client.tls_set_context(context)
        self.client.on_message = lambda _, __, message: self.heard.append((message.topic, message.payload))
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = self._on_subscribe
        if will:
            self.client.will_set(will, b"will", 1)
        self.client.connect("127.0.0.1", broker.servers_port if login else broker.port)
        self.client.loop_start()
        pace.until(self.client.is_connected, "a connection")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_disconnect(self, *_: object) -> None:
        self.ended = True

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """The broker acknowledges also what it throws away."""
        info = self.client.publish(topic, payload, 1, retain)
        info.wait_for_publish(WAIT_S)
        assert info.is_published()

    def subscribe(self, topics: list[tuple[str, int]]) -> None:
        """Until the broker has answered, also to say no."""
        self.answered = False
        self.client.subscribe(topics)
        pace.until(lambda: self.answered, "it comes")

    def _on_subscribe(self, *_: object) -> None:
        self.answered = True

    def die(self) -> None:
        """As if its power had gone, so that its will is due."""
        self.client.loop_stop()
        self.client.socket().shutdown(socket.SHUT_RDWR)


def _server(broker: Broker, keys: Path, stem: str) -> Client:
    return Client(broker, keys, stem, stem, login=identities.login(keys, stem))


def test_an_intruder_hears_nothing_and_is_not_heard(broker: Broker, keys: Path) -> None:
    """Though it says it is another: what counts is the name in its certificate."""
    with (
        Client(broker, keys, MAC, MAC) as board,
        _server(broker, keys, SERVER_IDENTITY) as operator,
        Client(broker, keys, INTRUDER, MAC) as intruder,
    ):
        operator.subscribe([("#", 1)])
        board.subscribe([(f"wm_iot/{MAC}/ota/{name}", 1) for name in PLACES])
        intruder.subscribe([(topic, 1) for topic in SUBSCRIPTIONS])
        for topic in TOPICS:
            intruder.publish(topic, b"false")
        for name in (*PLACES, "get"):
            operator.publish(f"wm_iot/{MAC}/ota/{name}", b"secret")
            operator.publish(f"wm_iot/{INTRUDER}/ota/{name}", b"own")
        pace.until(lambda: len(board.heard) == 2 and len(intruder.heard) >= 2, "it comes")
        time.sleep(NOTHING_S)
        assert board.heard == [(f"wm_iot/{MAC}/ota/{name}", b"secret") for name in PLACES]
        own = {(f"wm_iot/{INTRUDER}/ota/{name}", b"own") for name in PLACES}
        assert set(intruder.heard) == own  # several subscriptions may bring one several times
        assert all(payload != b"false" for _, payload in operator.heard)
        assert not board.ended and not intruder.ended


def test_each_is_heard_on_its_own_topics(broker: Broker, keys: Path) -> None:
    """The valid control, and what the intruder says is filed under its own name."""
    with Operator(broker.servers_port, keys) as operator:
        for mac, claimed in ((MAC, MAC), (INTRUDER, MAC)):
            with Client(broker, keys, mac, claimed) as client:
                for name in DEVICE_TOPICS:
                    client.publish(f"wm_iot/{mac}/ota/{name}", b"{}")
        pace.until(lambda: len(operator.messages) == 6, "it comes")
        expected = [(mac, name) for mac in (MAC, INTRUDER) for name in DEVICE_TOPICS]
        assert [(message.mac, message.name) for message in operator.messages] == expected


def test_a_server_that_answers_can_do_nothing_else(broker: Broker, keys: Path) -> None:
    """It hears questions and is heard with answers; neither reports nor offers are its own."""
    with (
        Client(broker, keys, MAC, MAC) as board,
        _server(broker, keys, identities.answerers(keys)[0]) as server,
        _server(broker, keys, SERVER_IDENTITY) as operator,
    ):
        operator.subscribe([("#", 1)])
        server.subscribe([("#", 1), (f"$share/group/wm_iot/{MAC}/ota/firmware/report", 1)])
        board.subscribe([(f"wm_iot/{MAC}/ota/{name}", 1) for name in PLACES])
        for name in DEVICE_TOPICS:
            board.publish(f"wm_iot/{MAC}/ota/{name}", b"said")
        for name in (*DEVICE_TOPICS, *PLACES):
            server.publish(f"wm_iot/{MAC}/ota/{name}", b"from the server")
        pace.until(lambda: board.heard and server.heard, "it comes")
        time.sleep(NOTHING_S)
        assert board.heard == [(f"wm_iot/{MAC}/ota/response", b"from the server")]
        assert {topic for topic, _ in server.heard} == {f"wm_iot/{MAC}/ota/get"}
        reports = [payload for topic, payload in operator.heard if topic.endswith("report")]
        assert reports == [b"said", b"said"]


@pytest.mark.parametrize(("of", "heard"), [(MAC, 0), (INTRUDER, 1)])
def test_a_will_is_bound_by_the_same_rights(broker: Broker, keys: Path, of: str, heard: int) -> None:
    with Operator(broker.servers_port, keys) as operator:
        client = Client(broker, keys, INTRUDER, MAC, will=f"wm_iot/{of}/ota/firmware/report")
        client.die()
        with Client(broker, keys, MAC, MAC) as board:
            board.publish(f"wm_iot/{MAC}/ota/get", b"{}")
            pace.until(lambda: len(operator.messages) >= heard + 1, "it comes")
        time.sleep(NOTHING_S)
        wills = [message.mac for message in operator.messages if message.payload == b"will"]
        assert wills == [INTRUDER] * heard


def test_what_a_device_leaves_behind_is_no_news(broker: Broker, keys: Path) -> None:
    """A retained message would be taken for one of today by each operator that comes."""
    topic = f"wm_iot/{INTRUDER}/ota/firmware/report"
    with Client(broker, keys, INTRUDER, INTRUDER) as client:
        with Operator(broker.servers_port, keys) as operator:
            client.publish(topic, b"{}", retain=True)
            operator.wait_for(lambda message: message.name == "firmware/report", WAIT_S)
        with Operator(broker.servers_port, keys) as operator:
            client.publish(f"wm_iot/{INTRUDER}/ota/get", b"{}")
            operator.wait_for(lambda message: message.name == "get", WAIT_S)
            assert [message.name for message in operator.messages] == ["get"]
        client.publish(topic, b"", retain=True)


def test_without_a_certificate_nobody_gets_in(broker: Broker, keys: Path) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, MAC)
    client.username_pw_set(SERVER_IDENTITY)
    client.tls_set_context(ssl.create_default_context(cafile=str(keys / "broker-ca.crt.pem")))
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        client.connect("127.0.0.1", broker.port)
        for _ in range(20 * WAIT_S):  # with TLS 1.3 it would hear of it when it reads
            assert client.loop(0.05) == mqtt.MQTT_ERR_SUCCESS
    assert not client.is_connected()
