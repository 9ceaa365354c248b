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
from tools.testbed.stage import MAC

NEW = "0123456789AB"


def _update(stage, version: str) -> None:
    _, offer = steps.new_offer(stage, version)
    steps.update(stage, offer)
    stage.board.wait_for(f"confirmed {version}")


def _restart_servers(stage, stack: contextlib.ExitStack) -> None:
    """With what is in the folder of keys now, as `serve` does at its start."""
    line = f"{MAC} 1 wm_iot/{MAC}/ota/response"
    before = stage.broker.log.read_text(errors="replace").count(line)
    stage.broker.restart()
    stage.operator = stack.enter_context(Operator(stage.broker.servers_port, stage.keys))
    steps.until(
        lambda: stage.broker.log.read_text(errors="replace").count(line) > before, "the board is back"
    )  # fmt: skip


def _try_old_identity(stage, old: certificates.Pair, user: str) -> mqttboard.MqttBoard:
    trusted = (stage.keys / "broker-ca.crt.pem").read_bytes()
    return mqttboard.MqttBoard(old, trusted, stage.broker.servers_port, user)


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_boards_of_before_are_split_off_without_a_visit(make_stage, stage_folder, runtime):
    keys = stage_folder / "keys"
    oldkeys.make(keys, [MAC])
    stage = make_stage(runtime=runtime)
    steps.online(stage)
    _update(stage, "1.0.1")
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
        _restart_servers(stage, stack)
        _update(stage, "1.0.2")
        assert main(["keys", str(keys), "--device", "AABBCCDDEEFF"]) == 0
        made = keyfiles.read_certificate(keys / "devices" / "AABBCCDDEEFF" / "client.crt.der")
        assert not certificates.issued_by(made, issuer)
        with (
            mqttboard.of(keys, NEW, stage.broker.port) as earlier,
            mqttboard.of(keys, "AABBCCDDEEFF", stage.broker.port) as later,
            _try_old_identity(stage, old, user) as gone,
        ):
            pace.until(lambda: earlier.connected and later.connected and gone.connected, "all are connected")
            gone.client.subscribe("#", 1)
            seen = len(stage.operator.messages)
            for one, mac in ((earlier, NEW), (later, "AABBCCDDEEFF")):
                one.client.publish(f"wm_iot/{mac}/ota/get", b"{}", 1).wait_for_publish(pace.HANG_S)
            pace.until(lambda: len(stage.operator.messages) >= seen + 2, "both are heard")
            assert not gone.heard


def test_with_the_next_authorities_on_boards_all_of_them_follow(make_stage, stage_folder):
    """Then that of before issues nothing any more, and counts on the port for boards alone."""
    keys = stage_folder / "keys"
    oldkeys.make(keys, [MAC])
    before = keyfiles.read_pair(keys, "broker-ca")
    assert main(["keys", str(keys), "--next-ca"]) == 0
    stage = make_stage()
    steps.online(stage)
    assert main(["keys", str(keys), "--rotate-ca"]) == 0
    forged = certificates.issue(before, "ota-server", "client", certificates.valid_for(9))
    with contextlib.ExitStack() as stack:
        _restart_servers(stage, stack)
        with _try_old_identity(stage, forged, "ota-server") as gone:
            pace.until(lambda: gone.refused, "a server of the authority of before is refused")
            assert not gone.connected
        seen = len(stage.operator.messages)
        stage.board.cut_power()
        stage.board.power_on()
        stage.wait_report("INIT", since=seen)
