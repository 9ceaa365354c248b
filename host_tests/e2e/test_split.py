"""A folder of keys of before, where one authority issues for all, and its boards go on; the split into two
comes by rotation. Without a visit the servers' authority stays the one that boards know."""

from __future__ import annotations

import contextlib

import mqttboard
import oldkeys
import pace
import pytest
import steps

from tools.__main__ import main
from tools.keys import certificates, identities, keyfiles
from tools.testbed.operator import Operator
from tools.testbed.testbed import MAC

NEW = "0123456789AB"


def _update(testbed, version: str) -> None:
    _, offer = steps.new_offer(testbed, version)
    steps.update(testbed, offer)
    testbed.board.wait_for(f"confirmed {version}")


def _restart_servers(testbed, stack: contextlib.ExitStack) -> None:
    """With what is in the folder of keys now, as `serve` does at its start."""
    line = f"{MAC} 1 wm_iot/{MAC}/ota/response"
    before = testbed.broker.log.read_text(errors="replace").count(line)
    testbed.broker.restart()
    testbed.operator = stack.enter_context(Operator(testbed.broker.servers_port, testbed.keys))
    steps.until(
        lambda: testbed.broker.log.read_text(errors="replace").count(line) > before, "the board is back"
    )  # fmt: skip


def _try_old_identity(testbed, old: certificates.Pair, user: str) -> mqttboard.MqttBoard:
    trusted = (testbed.keys / "broker-ca.crt.pem").read_bytes()
    return mqttboard.MqttBoard(old, trusted, testbed.broker.servers_port, user)


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_boards_of_before_are_split_off_without_a_visit(make_testbed, testbed_folder, runtime):
    keys = testbed_folder / "keys"
    oldkeys.make(keys, [MAC])
    testbed = make_testbed(runtime=runtime)
    steps.online(testbed)
    _update(testbed, "1.0.1")
    assert main(["keys", str(keys), "--device", NEW]) == 0  # all goes on as it was
    issuer = keyfiles.read_certificate(keys / "broker-ca.crt.pem")
    assert certificates.issued_by(
        keyfiles.read_certificate(keys / "devices" / NEW / "client.crt.der"), issuer
    )
    board = {path.name: path.read_bytes() for path in (keys / "devices" / MAC).iterdir()}
    old, user = keyfiles.read_pair(keys, "ota-server"), identities.login(keys).user

    assert main(["keys", str(keys), "--rotate-ca"]) == 0
    assert board == {path.name: path.read_bytes() for path in (keys / "devices" / MAC).iterdir()}
    assert keyfiles.read_certificate(keys / "broker-ca.crt.pem") == issuer
    with contextlib.ExitStack() as stack:
        _restart_servers(testbed, stack)
        _update(testbed, "1.0.2")
        assert main(["keys", str(keys), "--device", "AABBCCDDEEFF"]) == 0
        made = keyfiles.read_certificate(keys / "devices" / "AABBCCDDEEFF" / "client.crt.der")
        assert not certificates.issued_by(made, issuer)
        with (
            mqttboard.of(keys, NEW, testbed.broker.port) as earlier,
            mqttboard.of(keys, "AABBCCDDEEFF", testbed.broker.port) as later,
            _try_old_identity(testbed, old, user) as gone,
        ):
            pace.until(lambda: earlier.connected and later.connected and gone.connected, "all are connected")
            gone.client.subscribe("#", 1)
            seen = len(testbed.operator.messages)
            for one, mac in ((earlier, NEW), (later, "AABBCCDDEEFF")):
                one.client.publish(f"wm_iot/{mac}/ota/get", b"{}", 1).wait_for_publish(pace.HANG_S)
            pace.until(lambda: len(testbed.operator.messages) >= seen + 2, "both are heard")
            assert not gone.heard


def test_with_the_next_authorities_on_boards_all_of_them_follow(make_testbed, testbed_folder):
    """Then that of before issues nothing any more, and counts on the port for boards alone."""
    keys = testbed_folder / "keys"
    oldkeys.make(keys, [MAC])
    before = keyfiles.read_pair(keys, "broker-ca")
    assert main(["keys", str(keys), "--next-ca"]) == 0
    testbed = make_testbed()
    steps.online(testbed)
    assert main(["keys", str(keys), "--rotate-ca"]) == 0
    forged = certificates.issue(before, "ota-server", "client", certificates.valid_for(9))
    with contextlib.ExitStack() as stack:
        _restart_servers(testbed, stack)
        with _try_old_identity(testbed, forged, "ota-server") as gone:
            pace.until(lambda: gone.refused, "a server of the authority of before is refused")
            assert not gone.connected
        seen = len(testbed.operator.messages)
        testbed.board.cut_power()
        testbed.board.power_on()
        testbed.wait_report("INIT", since=seen)
