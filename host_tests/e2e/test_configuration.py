"""A board that cannot start says in one line which key or file is at fault."""

from __future__ import annotations

import pytest
import steps

from device import errors


def _fault_line(testbed, code: int) -> str:
    """The one console line of the agent."""
    testbed.board.power_on()
    line = testbed.board.wait_for(str(code))
    agent_lines = [text for text in testbed.board.lines if "/ota [" in text]
    assert agent_lines == [line]
    assert testbed.board.boots == 1
    assert testbed.board.ended is None
    assert not testbed.operator.messages
    return line


@pytest.mark.code(errors.INVALID_PARAM)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("colour", "red", "unknown key 'colour'"),
        ("keepalive_s", -1, "bad value for 'keepalive_s'"),
        ("trial_attempts", "5", "bad value for 'trial_attempts'"),
        ("broker", "http://localhost", "bad value for 'broker'"),
        ("wifi", [], "bad value for 'wifi'"),
        ("require_rollback", 1, "bad value for 'require_rollback'"),
        ("board", None, "'board' is missing"),
    ],
)
def test_bad_key(make_testbed, runtime, key, value, what):
    testbed = make_testbed(runtime=runtime, config={key: value})
    assert what in _fault_line(testbed, errors.INVALID_PARAM)


@pytest.mark.code(errors.NO_INIT)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
@pytest.mark.parametrize(
    "name",
    ["sign_pub.der", "broker_ca.der", "client.crt.der", "client.key.der"],
)
def test_missing_file(make_testbed, runtime, name):
    testbed = make_testbed(runtime=runtime)
    (testbed.board.folder / "fs" / "certs" / name).unlink()
    testbed.board.provision()
    assert f"cannot read certs/{name}" in _fault_line(testbed, errors.NO_INIT)


@pytest.mark.code(errors.NO_INIT)
@pytest.mark.parametrize("name", ["broker_ca.der", "client.key.der"])
def test_damaged_file(make_testbed, name):
    testbed = make_testbed()
    (testbed.board.folder / "fs" / "certs" / name).write_bytes(b"no certificate, no key")
    testbed.board.provision()
    assert "unusable" in _fault_line(testbed, errors.NO_INIT)


@pytest.mark.code(errors.NO_INIT)
def test_no_configuration(make_testbed):
    testbed = make_testbed()
    (testbed.board.folder / "fs" / "ota.json").unlink()
    testbed.board.provision()
    assert "cannot read ota.json" in _fault_line(testbed, errors.NO_INIT)


@pytest.mark.code(errors.INVALID_PARAM)
@pytest.mark.parametrize("text", ["", "{", "[]", '{"wifi": '])
def test_broken_configuration(make_testbed, text):
    testbed = make_testbed()
    (testbed.board.folder / "fs" / "ota.json").write_text(text)
    testbed.board.provision()
    assert "ota.json is not a JSON object" in _fault_line(testbed, errors.INVALID_PARAM)


@pytest.mark.code(errors.NO_INIT)
def test_missing_file_ca(make_testbed):
    """It is needed for downloads only, so the board is online and says it to its server."""
    testbed = make_testbed()
    (testbed.board.folder / "fs" / "certs" / "file_ca.der").unlink()
    testbed.board.provision()
    steps.online(testbed)
    steps.refuse(testbed, steps.new_offer(testbed)[1], errors.NO_INIT)
    assert not testbed.files.requests
