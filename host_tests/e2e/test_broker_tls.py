"""A broker with a bad certificate or an old TLS learns nothing, one that refuses ours is named: log only."""

from __future__ import annotations

import contextlib
import shutil

import badcerts
import checks
import pytest
import steps
from rawserver import RawServer, old_hello, server_context

from device import errors
from tools.keys import keyfiles, pki
from tools.server.broker import Broker
from tools.testbed import traits
from tools.testbed.testbed import MAC

REFUSED = f"{errors.TLS_REFUSED} TLS refused"
LATE = 10  # a board that waits for what never comes is later than that on any machine
OLD_TLS = ["TLSv1", "TLSv1_1", "old hello"]


@pytest.fixture
def keys(testbed_folder):
    pki.make_all(testbed_folder / "keys", [MAC])
    return testbed_folder / "keys"


def _seconds(line):
    """Since boot, of a line of the log."""
    return float(line.partition("[")[2].partition("]")[0])


def _check_refusals(testbed):
    """In time, and again; from the second on it says so, and goes on running the version it has."""
    steps.wait_lines(testbed, REFUSED, 2)
    lines = testbed.board.lines
    times = [_seconds(line) for line in lines if REFUSED in line]
    begun = next(_seconds(line) for line in lines if "Now datetime" in line)
    config = testbed.configuration()
    limit_s = config["mqtt_timeout_s"] + config["backoff_max_s"]
    assert times[0] - begun <= LATE * 2 * limit_s
    assert times[1] - times[0] <= LATE * limit_s
    assert testbed.board.boots == 1
    assert testbed.board.ended is None
    assert steps.lines_with(testbed, "Publish ota") == 0


@pytest.mark.code(errors.TLS_REFUSED)
@pytest.mark.parametrize(("runtime", "what"), badcerts.CASES)
def test_bad_certificate(make_testbed, keys, tmp_path, runtime, what):
    host, make = badcerts.BAD[what]
    keyfiles.write_pair(keys, "bad", make(keyfiles.read_pair(keys, "broker-ca")))
    with Broker(tmp_path / "bad broker", keys, server="bad") as bad:
        testbed = make_testbed(runtime=runtime, config={"broker": f"mqtts://{host}:{bad.port}"})
        testbed.board.power_on()
        _check_refusals(testbed)
        assert "New connection" in bad.log.read_text()
        assert "New client connected" not in bad.log.read_text()


@pytest.mark.parametrize("host", [badcerts.NAME, badcerts.ADDRESS])
def test_good_certificate(make_testbed, keys, tmp_path, host):
    """The same with a right one that has only this name, so that nothing else can be to blame above."""
    keyfiles.write_pair(keys, "good", badcerts.good(keyfiles.read_pair(keys, "broker-ca"), host))
    with Broker(tmp_path / "good broker", keys, server="good") as good:
        testbed = make_testbed(config={"broker": f"mqtts://{host}:{good.port}"})
        testbed.board.power_on()
        testbed.board.wait_for('"type": "INIT"')
        assert "New client connected" in good.log.read_text()


@contextlib.contextmanager
def _broker_of(keys, version):
    """Something that a board takes for a broker, until it hears which TLS it speaks."""
    if version == "old hello":
        server = RawServer(lambda hello: [old_hello()], until=b"\x16\x03")
    else:
        server = RawServer(lambda request: [], server_context(keys, "broker", version), until=b"MQTT")
    with server:
        yield server


@pytest.mark.code(errors.TLS_REFUSED)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(("runtime", "version"), [*(("mp32", v) for v in OLD_TLS), ("cpython", "TLSv1_1")])
def test_old_tls(make_testbed, keys, runtime, version):
    with _broker_of(keys, version) as old:
        testbed = make_testbed(runtime=runtime, config={"broker": f"mqtts://localhost:{old.port}"})
        testbed.board.power_on()
        _check_refusals(testbed)
        assert old.versions == []


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_new_tls(make_testbed, keys, version):
    """Both are spoken where the build knows both; the firmware of an ESP32 knows only the first."""
    with _broker_of(keys, version) as new:
        testbed = make_testbed(config={"broker": f"mqtts://localhost:{new.port}"})
        testbed.board.power_on()
        if version == "TLSv1_3" and not traits.speaks_tls13(testbed.runtime):
            _check_refusals(testbed)
            return
        steps.until(lambda: new.requests, "a greeting of MQTT")
        assert new.versions[0] == version.replace("_", ".")
    assert steps.lines_with(testbed, REFUSED) == 0


BAD_CLIENT = {
    "other CA": lambda ca: badcerts.shifted(badcerts.other_ca(ca), -1, 9, "client", MAC),
    "expired": lambda ca: badcerts.shifted(ca, -9, -1, "client", MAC),
    "not yet valid": lambda ca: badcerts.shifted(ca, 2, 9, "client", MAC),
    "for servers": lambda ca: badcerts.shifted(ca, -1, 9, "server", MAC),
}


@pytest.mark.code(errors.TLS_REFUSED)
@pytest.mark.parametrize(
    ("runtime", "what"), [*(("mp32", what) for what in BAD_CLIENT), ("cpython", "other CA")]
)
def test_bad_client_certificate(make_testbed, keys, runtime, what):
    """The broker refuses it; with the right one back in place the board comes online."""
    device = keys / "devices" / MAC
    shutil.copytree(device, keys / "right")
    pair = BAD_CLIENT[what](keyfiles.read_pair(keys, "device-ca"))
    for name in ("client.crt.der", "client.key.der"):
        (device / name).unlink()
    keyfiles.write_pair(device, "client", pair, "der")
    testbed = make_testbed(runtime=runtime)
    testbed.board.power_on()
    _check_refusals(testbed)
    assert not testbed.operator.messages
    testbed.board.cut_power()
    for name in ("client.crt.der", "client.key.der"):
        shutil.copy(keys / "right" / name, testbed.board.folder / "fs" / "certs")
    testbed.board.provision()
    testbed.board.power_on()
    testbed.wait_report("INIT")


def test_a_refusal_is_told_once_there_is_a_broker(make_testbed, keys, tmp_path):
    """It happened twice, so no bytes damaged on the way were to blame. Told once, after the INIT."""
    make = badcerts.BAD["expired"][1]
    keyfiles.write_pair(keys, "bad", make(keyfiles.read_pair(keys, "broker-ca")))
    testbed = make_testbed()
    testbed.broker.stop()
    with Broker(tmp_path / "bad broker", keys, testbed.broker.port, server="bad"):
        testbed.board.power_on()
        _check_refusals(testbed)
        testbed.board.wifi(False)  # until the operator listens again
    testbed.broker.start()
    testbed.operator.wait_until_connected()
    testbed.board.wifi(True)
    testbed.wait_report("INIT")
    testbed.wait_error(errors.TLS_REFUSED)
    steps.update(testbed, steps.new_offer(testbed)[1])
    assert checks.error_codes(testbed) == [errors.TLS_REFUSED]
