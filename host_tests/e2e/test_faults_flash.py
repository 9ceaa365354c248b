"""Planned power cuts and bad flash, on whole boards; reset causes; Wi-Fi that drops by schedule."""

from __future__ import annotations

import checks
import pace
import pytest
import sharedmemory
import steps

from device import errors
from tools.simboard import board as host

RUNTIMES = ["mp32", "cpython"]
# Operations from an offer to the first of the slot, in which erases and writes alternate: CPython's
# file system is not in the flash.
BEFORE_SLOT = {"mp32": 49, "cpython": 0}
MIDDLE = 18  # of the slot's operations: far from both ends, even if the file system does a little more

TEAR_OF_A_WRITE = 1000  # bytes
UNSTABLE = 4  # tear of an erase

CAUSES = """
import machine
import time
import faults
print("cause", machine.reset_cause())
if machine.reset_cause() == machine.HARD_RESET:
    machine.WDT(timeout=1000)
    time.sleep(30)
if machine.reset_cause() == machine.WDT_RESET:
    open("done", "w").close()
    faults.cut_power()
try:
    open("done").close()
except OSError:
    machine.reset()
print("in the end")
time.sleep(60)
"""
WATCHED_WIFI = """
import network
import time
BOOT = (1 << 30) - 4000  # ticks
wlan = network.WLAN(network.STA_IF)
wlan.active(True)
was_up = None
while True:
    is_up = wlan.isconnected()
    if is_up != was_up:
        print("up" if is_up else "down", time.ticks_diff(time.ticks_ms(), BOOT))
        was_up = is_up
    if not is_up and wlan.status() != 1001:
        wlan.connect("home", "correct horse")
    time.sleep_ms(10)
"""


def _operation_of_slot(testbed) -> int:
    """Number of one in the middle of the download that an offer to this board will start. Leaves it off."""
    steps.online(testbed)
    testbed.board.cut_power()
    return testbed.board.operations() + BEFORE_SLOT[testbed.runtime] + MIDDLE


def _offer_with(testbed, *faults):
    """Power on with this plan, and offer a new image: (image, offer)."""
    testbed.board.inject(list(faults))
    since = len(testbed.operator.messages)
    testbed.board.power_on()
    testbed.wait_report("INIT", steps.PATIENCE_S, since)
    image, offer = steps.new_offer(testbed)
    testbed.push(offer)
    return image, offer


def test_both_sides_agree_on_the_shared_memory():
    assert host.SHARED_WORDS == sharedmemory.WORDS
    assert host.WIFI_OFF_WORD == sharedmemory.WIFI_OFF
    assert host.OPERATIONS_WORD == sharedmemory.OPERATIONS
    assert host.READS_WORD == sharedmemory.READS
    assert host.RESET_CAUSE_WORD == sharedmemory.RESET_CAUSE
    assert host.WEAR_WORD == sharedmemory.WEAR


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    "fault",
    [(0, "before"), (0, "torn", UNSTABLE), (1, "torn", TEAR_OF_A_WRITE), (1, "after")],
    ids=lambda fault: "-".join(map(str, fault)),
)
def test_power_cut_in_the_middle_of_a_download(make_testbed, runtime, fault):
    testbed = make_testbed(runtime=runtime)
    number = _operation_of_slot(testbed)
    image, _ = _offer_with(testbed, [number + fault[0], *fault[1:]])
    report = testbed.wait_report("UPDATE", steps.PATIENCE_S)
    assert report.data["version"] == "1.0.1"
    testbed.board.wait_for("confirmed 1.0.1")
    assert testbed.board.cuts == 1
    lines = "\n".join(testbed.board.lines)
    assert "OTA progress:4-" in lines.split("board: planned power cut")[0]
    assert "OTA progress:6-" not in lines.split("board: planned power cut")[0]
    assert testbed.board.slot("ota_1", len(image)) == image
    assert checks.error_codes(testbed) == []


@pytest.mark.code(errors.FLASH)
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind, count", [("ignore", 2), ("error", 1)], ids=["ignore", "error"])
def test_bad_flash_in_the_slot(make_testbed, runtime, kind, count):
    """Nobody misses an erase of what is blank: so the write after it is ignored, too."""
    testbed = make_testbed(runtime=runtime)
    number = _operation_of_slot(testbed)
    _offer_with(testbed, *([number + index, kind] for index in range(count)))
    testbed.wait_error(errors.FLASH, steps.PATIENCE_S)
    testbed.board.wait_for("OTA progress:5-")
    assert (testbed.board.boots, testbed.board.cuts) == (2, 0)
    assert testbed.board.slot("ota_1", 64) == b"\xff" * 64
    assert checks.reports(testbed) == [("INIT", "1.0.0")] * 2
    steps.wait_subscribed(testbed)
    steps.update(testbed, steps.new_offer(testbed, "1.0.2")[1])
    assert checks.error_codes(testbed) == [errors.FLASH]


@pytest.mark.parametrize(
    "boot_mode, image, set_boot, kinds",
    [("idf", "esp32", 2, ["before"]), ("w80x", "wm", 0, ["before", "after", "before"])],
    ids=["idf", "w80x"],
)
def test_power_cuts_in_the_boot_loader(make_testbed, boot_mode, image, set_boot, kinds):
    """Its operations count as well. set_boot: how many that call needs; kinds: cuts in those that follow."""
    testbed = make_testbed(runtime="cpython", boot_mode=boot_mode, image=image)
    content, offer = steps.new_offer(testbed)
    first = 2 * -(-len(content) // host.BLOCK) + 1 + set_boot  # the head is one of its own
    testbed.board.inject([[first + index, kind] for index, kind in enumerate(kinds)])
    steps.online(testbed)
    steps.update(testbed, offer)
    assert testbed.board.cuts == len(kinds)
    assert testbed.board.boots == 2 + len(kinds)
    assert checks.error_codes(testbed) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_reset_causes(make_testbed, make_app, runtime):
    """Power on, machine.reset(), watchdog, planned power cut."""
    testbed = make_testbed(runtime=runtime, app=make_app(CAUSES))
    testbed.board.power_on()
    testbed.board.wait_for("in the end")
    causes = [line for line in testbed.board.lines if line.startswith("cause")]
    assert causes == [f"cause {cause}" for cause in (host.PWRON, host.HARD, host.WDT, host.PWRON)]
    assert testbed.board.cuts == 1


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_wifi_drops_by_schedule(make_testbed, make_app, runtime):
    """Off at first, and once more while it is up."""
    testbed = make_testbed(runtime=runtime, app=make_app(WATCHED_WIFI))
    scale = pace.seconds(1)
    testbed.board.inject([], [[0, 1500 * scale], [3000 * scale, 1000 * scale]])
    testbed.board.power_on()
    steps.wait_lines(testbed, "up ", 2)
    changes = [line.split() for line in testbed.board.lines if line.startswith(("up", "down"))]
    assert [what for what, _ in changes] == ["down", "up", "down", "up"]
    _, first_up, down, up = (int(ms) for _, ms in changes)
    assert 1500 * scale <= first_up < 3000 * scale <= down < 4000 * scale <= up


def test_a_wifi_drop_does_not_end_an_update(make_testbed):
    testbed = make_testbed()
    testbed.board.inject([], [[0, 1000], [1500, 500]])
    steps.online(testbed)
    steps.update(testbed, steps.new_offer(testbed)[1])
    assert checks.error_codes(testbed) == []
