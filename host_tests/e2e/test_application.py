"""OTA beside an application: its own loop with poll() and hooks, or asyncio with task()."""

from __future__ import annotations

import checks
import pytest
import steps

from tools.programs import runtimes
from tools.server.files import Fault

PATIENT = {"http_timeout_s": 3600, "retry_window_s": 3600}  # a download hangs until it is released

OWN_LOOP = """
import time
from device import agent, config

turns = 0
asked = 0


def may_start():
    global asked
    asked += 1
    print("may start, question %d at turn %d" % (asked, turns))
    return asked > 3


def before_reboot():
    print("before reboot at turn %d" % turns)
    with open("note", "w") as file:
        file.write("a note of the last image")


def self_test():
    print("self test of the application")
    return True


try:
    with open("note") as file:
        print("found " + file.read())
except OSError:
    print("found nothing")

ota = agent.Agent(config.load("ota.json"), may_start, before_reboot, self_test)
while True:
    rest_ms = ota.poll()
    turns += 1
    if turns % 5 == 0:
        print("turn %d" % turns)
    time.sleep_ms(min(rest_ms, 20))
"""

# On ESP32 asyncio is frozen into the firmware, as it is here.
ASYNCIO = """
import asyncio
from device import agent, config


async def work():
    beats = 0
    while True:
        beats += 1
        print("beat %d" % beats)
        await asyncio.sleep(0.05)


async def main():
    ota = agent.Agent(config.load("ota.json"))
    await asyncio.gather(work(), ota.task())


asyncio.run(main())
"""


def _hold_download(testbed):
    """Begin an update whose download hangs."""
    image, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(stall_after=10000))
    testbed.push(offer)
    steps.wait_sent(testbed)
    return image


def _check_goes_on(testbed, text):
    """The application has its turns although the download hangs; then that goes on as well."""
    count = steps.lines_with(testbed, text)
    steps.wait_lines(testbed, text, count + 3)
    assert len(testbed.files.requests) == 1
    testbed.files.release()


def _check_updated(testbed, image):
    testbed.wait_report("UPDATE")
    testbed.board.wait_for("confirmed 1.0.1")
    assert checks.error_codes(testbed) == []
    assert testbed.board.slot("ota_1", len(image)) == image


@pytest.mark.parametrize("runtime", runtimes.END_TO_END)
def test_own_loop(make_testbed, make_app, runtime):
    testbed = make_testbed(runtime=runtime, app=make_app(OWN_LOOP), config=PATIENT)
    steps.online(testbed)
    image = _hold_download(testbed)
    _check_goes_on(testbed, "turn ")
    _check_updated(testbed, image)
    assert steps.lines_with(testbed, "may start, question") == 4
    assert steps.lines_with(testbed, "before reboot") == 1
    assert steps.lines_with(testbed, "self test of the application") == 1
    start = testbed.board.lines.index("boot: running slot ota_1")
    assert testbed.board.lines.index("found nothing") < start
    assert testbed.board.lines.index("found a note of the last image") > start


def test_nothing_before_it_may_start(make_testbed, make_app):
    never = OWN_LOOP.replace("return asked > 3", "return False")
    testbed = make_testbed(app=make_app(never))
    steps.online(testbed)
    testbed.push(steps.new_offer(testbed)[1])
    testbed.board.wait_for("may start, question 9 ")
    assert not testbed.files.requests
    checks.check_old_runs(testbed)


@pytest.mark.parametrize("runtime", runtimes.END_TO_END)
def test_asyncio(make_testbed, make_app, runtime):
    testbed = make_testbed(runtime=runtime, app=make_app(ASYNCIO), config=PATIENT)
    steps.online(testbed)
    image = _hold_download(testbed)
    _check_goes_on(testbed, "beat ")
    _check_updated(testbed, image)
    start = testbed.board.lines.index("boot: running slot ota_1")
    assert "beat 1" in testbed.board.lines[start:]
