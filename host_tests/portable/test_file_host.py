"""device.connection.reach_file_host: can a new image fetch the next one?"""

import makeoffer
from check import patched, raises, raises_code, recorded_log
from fakeagent import FakeAgent

from device import connection, errors, files

PROVES = {errors.TLS_REFUSED: "test_what_is_the_image_s_own_fault_ends_its_trial_the_second_time"}


class _Host:
    """The file host. errors: what the next connections and handshakes raise, None = they succeed."""

    def __init__(self, connects=None, shakes=None):
        self._connects, self._shakes = connects, shakes
        self.asked = []
        self.written = []
        self.is_closed = False

    def connect(self, host, port, context, timeout_ms):
        self.asked.append((host, port, context, timeout_ms))
        if self._connects:
            raise self._connects
        return self

    def write(self, data):
        self.written.append(data)
        if self._shakes:
            raise self._shakes

    def close(self):
        self.is_closed = True


def _agent(**changes):
    """One on trial, whose image came by the offer of makeoffer."""
    files.write("file_ca.der", b"CA")
    agent = FakeAgent(file_ca="file_ca.der", http_timeout_s=7)
    agent.is_new = agent.can_return = True
    agent.state["waiting"] = makeoffer.offer(**changes).fields
    return agent


def _reach(agent, host, make_context=lambda ca: (ca,)):
    with patched(connection, "connect", host.connect), patched(connection, "client_context", make_context):
        connection.reach_file_host(agent)


def test_one_handshake_and_no_request():
    agent, host = _agent(), _Host()
    _reach(agent, host)
    assert host.asked == [("files", 8443, (b"CA",), 7000)]
    assert host.written == [b"\r\n"] and host.is_closed and agent.is_file_host_known


def test_an_image_that_came_by_http_or_by_cable_proves_nothing():
    agent, host = _agent(https_url=makeoffer.ABSENT), _Host()
    _reach(agent, host)
    agent.state["waiting"] = None
    _reach(agent, host)
    assert host.asked == [] and agent.is_file_host_known


def test_a_host_that_cannot_be_reached_is_a_warning():
    for code in (errors.CONNECTION_FAILED, errors.TIMEOUT):
        away = errors.OtaError(code, "away")
        for host in (_Host(connects=away), _Host(shakes=away)):
            agent = _agent()
            agent.last_code = code
            with recorded_log() as lines:
                _reach(agent, host)
            assert lines[-1].endswith("file host: away") and lines[-1].startswith("W/ota")
            assert agent.is_file_host_known and agent.restarts == []


def test_what_is_the_image_s_own_fault_ends_its_trial_the_second_time():
    """A lack of memory and bytes damaged on the way look the same the first time."""
    for code in (errors.TLS_REFUSED, errors.NO_MEM):
        agent, host = _agent(), _Host(shakes=errors.OtaError(code, "bad"))
        raises_code(code, _reach, agent, host)
        assert agent.restarts == [] and host.is_closed and not agent.is_file_host_known
        agent.last_code = code
        raises_code(code, _reach, agent, host)
        assert agent.restarts == ["trial of 0.0.0: file host: bad"]


def test_a_ca_that_is_none_is_the_image_s_own_fault():
    agent, host = _agent(), _Host()

    def refuse(_):
        raise errors.OtaError(errors.NO_INIT, "unusable")

    agent.last_code = errors.NO_INIT
    raises_code(errors.NO_INIT, _reach, agent, host, refuse)
    assert host.asked == [] and agent.restarts == ["trial of 0.0.0: file host: unusable"]
    agent.config.file_ca = "no_such_file"
    raises_code(errors.NO_INIT, _reach, agent, host)
    assert len(agent.restarts) == 2


def test_no_memory_is_no_verdict_at_once():
    agent, host = _agent(), _Host(connects=MemoryError("full"))
    raises(MemoryError, _reach, agent, host)
    assert agent.restarts == [] and not agent.is_file_host_known
