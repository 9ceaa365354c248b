"""A trial verifies the image, not the network; and the server hears of the confirmation."""

from __future__ import annotations

import contextlib
import socket
import time

import apps
import checks
import pytest
import steps

from device import errors
from tools.server.files import HOST

SHORT = {"trial_limit_s": 2, "mqtt_timeout_s": 1, "http_timeout_s": 5, "backoff_max_s": 1}
NO_FILE_CA = """
from device import agent, config
settings = config.load("ota.json")
settings.file_ca = "certs/broker_ca.der"
agent.Agent(settings).run()
"""


class BlackHole:
    """`with BlackHole(port):` nobody gets a connection to this port: its queue is full, and the kernel drops
    what asks for one."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __enter__(self) -> None:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self._port))
            listener.listen(0)
            for _ in range(8):
                sock = stack.enter_context(socket.socket())
                sock.setblocking(False)
                sock.connect_ex((HOST, self._port))
            self._stack = stack.pop_all()

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def test_the_brokers_packets_are_dropped_during_three_trials(make_testbed, make_app):
    """Then all is well again: no verdict on the image, which is confirmed at its next boot."""
    testbed = make_testbed(config=SHORT | {"trial_attempts": 3}, app=make_app(apps.slow()))
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.push(offer)
    for boot in range(1, 4):
        steps.wait_lines(testbed, "boot: running slot ota_1", boot)
        testbed.broker.kill()
        with BlackHole(testbed.broker.port):
            steps.wait_lines(testbed, "trial of 1.0.1: not confirmed within", boot)
        testbed.broker.start()
    testbed.board.wait_for("confirmed 1.0.1")
    assert steps.lines_with(testbed, str(errors.ROLLED_BACK)) == 0
    checks.check_record(testbed, "ota_1", image, "1.0.1")


@pytest.mark.code(errors.ROLLED_BACK)
def test_an_image_that_does_not_trust_the_file_host_is_rolled_back(make_testbed, make_app):
    """By MQTT alone it would be confirmed, and could never update again."""
    testbed = make_testbed(config={"trial_attempts": 2})
    steps.online(testbed)
    testbed.push(testbed.offer(testbed.build("1.0.1", make_app(NO_FILE_CA)), "1.0.1"))
    error = testbed.wait_error(errors.ROLLED_BACK, steps.PATIENCE_S)
    assert error.data["cause"].startswith("file host: ")
    assert steps.lines_with(testbed, "boot: running slot ota_1") == 2
    assert ("UPDATE", "1.0.1") not in checks.reports(testbed)


def test_one_that_came_by_http_needs_no_file_host(make_testbed, make_app):
    testbed = make_testbed()
    steps.online(testbed)
    steps.update(testbed, testbed.offer(testbed.build("1.0.1", make_app(NO_FILE_CA)), "1.0.1", "http"))
    testbed.board.wait_for("confirmed 1.0.1")


def _confirmations(testbed) -> list[str]:
    return [m.data["version"] for m in testbed.operator.messages if m.data.get("state") == "confirmed"]


def test_what_was_confirmed_is_told_once(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    steps.update(testbed, steps.new_offer(testbed)[1])
    steps.until(lambda: _confirmations(testbed), "the confirmation")
    steps.wait_written(testbed, 1)  # what it then notes
    testbed.board.cut_power()
    assert not testbed.board.state()["untold"]
    testbed.board.power_on()
    steps.until(lambda: ("INIT", "1.0.1") in checks.reports(testbed), "INIT")
    steps.until(lambda: steps.lines_with(testbed, "MQTTS connected") == 3, "the third connection")
    assert _confirmations(testbed) == ["1.0.1"]


CUT_BEFORE_IT_IS_TOLD = """
import os
from device import agent, report
publish = report.Report.publish
def publish_later(self, name, data):
    if '"confirmed"' in data:
        try:
            os.stat("told_later")
        except OSError:
            open("told_later", "w").close()
            print("the power goes")
            while True:
                pass
    publish(self, name, data)
report.Report.publish = publish_later
agent.main("ota.json")
"""


def test_power_cut_between_the_confirmation_and_its_report(make_testbed, make_app):
    testbed = make_testbed()
    steps.online(testbed)
    testbed.push(testbed.offer(testbed.build("1.0.1", make_app(CUT_BEFORE_IT_IS_TOLD)), "1.0.1"))
    testbed.board.wait_for("the power goes")
    testbed.board.cut_power()
    assert testbed.board.state()["untold"] == "1.0.1" and not _confirmations(testbed)
    testbed.board.power_on()
    steps.until(lambda: _confirmations(testbed) == ["1.0.1"], "the confirmation")
    assert checks.reports(testbed)[-1] == ("INIT", "1.0.1")
    assert steps.lines_with(testbed, str(errors.ROLLED_BACK)) == 0


@pytest.mark.code(errors.ROLLED_BACK, errors.REFUSED_IMAGE)
def test_a_refused_image_returns_by_the_owners_word(make_testbed, make_app):
    """An offer that was signed before does not bring it back."""
    testbed = make_testbed(config={"trial_attempts": 1})
    steps.online(testbed)
    image = testbed.build("1.0.1", make_app(apps.RESETS))
    expires = 4_000_000_000
    before = testbed.offer(image, "1.0.1", expires=expires)
    testbed.push(before)
    testbed.wait_error(errors.ROLLED_BACK, steps.PATIENCE_S)
    steps.wait_subscribed(testbed)
    steps.refuse(testbed, before, errors.REFUSED_IMAGE)
    since, refused_at = len(testbed.operator.messages), time.time()
    steps.until(lambda: time.time() > refused_at + 1, "the next second: what is signed now came later")
    testbed.push(testbed.offer(image, "1.0.1", expires=expires))
    testbed.wait_error(errors.ROLLED_BACK, steps.PATIENCE_S, since)
    assert steps.lines_with(testbed, "boot: running slot ota_1") == 2
