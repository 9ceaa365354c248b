"""A broker with a bad certificate learns nothing, one that refuses ours is named: log only."""

from __future__ import annotations

import shutil

import acts
import pytest

from tools import certificates, pki
from tools.certificates import DAY, Validity
from tools.servers.broker import Broker
from tools.stage import MAC

HOSTS = pki.LOCAL_HOSTS


@pytest.fixture
def keys(stage_folder):
    pki.make_all(stage_folder / "keys", [MAC])
    return stage_folder / "keys"


def _shifted(ca, first, last):
    validity = Validity(certificates.now() + first * DAY, certificates.now() + last * DAY)
    return certificates.issue(ca, "localhost", "server", validity, HOSTS)


def _other_ca(ca):
    return _shifted(certificates.make_ca("OTA broker CA", certificates.valid_for(9)), -1, 9)


def _wrong_name(ca):
    valid = certificates.valid_for(9)
    return certificates.issue(ca, "localhost", "server", valid, ["example.org"])


BAD = {
    "other CA": _other_ca,
    "expired": lambda ca: _shifted(ca, -9, -1),
    "not yet valid": lambda ca: _shifted(ca, 2, 9),
    "wrong name": _wrong_name,
}


def _check_refusals(stage):
    """It says so, tries again, and goes on running the version it has."""
    acts.wait_lines(stage, "-10040 TLS refused", 2)
    assert stage.board.boots == 1
    assert stage.board.ended is None
    assert acts.lines_with(stage, "Publish ota") == 0


@pytest.mark.code(-10040)
@pytest.mark.parametrize(("runtime", "what"), [*(("mp32", what) for what in BAD), ("cpython", "other CA")])
def test_bad_certificate(make_stage, keys, tmp_path, runtime, what):
    pki.write_pair(keys, "bad", BAD[what](pki.read_pair(keys, "broker-ca")))
    with Broker(tmp_path / "bad broker", keys, server="bad") as bad:
        url = f"mqtts://localhost:{bad.port}"
        stage = make_stage(runtime=runtime, config={"broker": url})
        stage.board.power_on()
        _check_refusals(stage)
        assert "New connection" in bad.log.read_text()
        assert "New client connected" not in bad.log.read_text()


@pytest.mark.code(-10040)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_client_certificate_of_another_ca(make_stage, keys, runtime):
    """The broker refuses it; with the right one back in place the board comes online."""
    device = keys / "devices" / MAC
    shutil.copytree(device, keys / "right")
    other = certificates.make_ca("OTA broker CA", certificates.valid_for(9))
    pair = certificates.issue(other, MAC, "client", certificates.valid_for(9))
    for name in ("client.crt.der", "client.key.der"):
        (device / name).unlink()
    pki.write_pair(device, "client", pair, "der")
    stage = make_stage(runtime=runtime)
    stage.board.power_on()
    _check_refusals(stage)
    assert not stage.operator.messages
    stage.board.cut_power()
    for name in ("client.crt.der", "client.key.der"):
        shutil.copy(keys / "right" / name, stage.board.folder / "fs" / "certs")
    stage.board.provision()
    stage.board.power_on()
    stage.wait_report("INIT")
