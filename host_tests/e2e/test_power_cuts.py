"""The power is cut, again and again, in an update of real size: it ends, and the server offers it once."""

from __future__ import annotations

import random

import apps
import checks
import pytest
import steps

from tools.server.files import Fault
from tools.simboard.board import BLOCK
from tools.testbed.testbed import MAC

SIZE = 1_306_707
SLOT_SIZE = 0x180000
CUTS = 10
CHECKPOINT = 64 * 1024  # the default

MAIN = """
from device import agent
agent.main("ota.json")
"""


@pytest.fixture
def big_offer(make_app):
    """big_offer(testbed, transport) -> (image of about SIZE bytes, its offer)."""

    def make(testbed, transport="https"):
        ballast = random.Random(1).randbytes(SIZE - len(testbed.build("1.0.1")))
        image = testbed.build("1.0.1", make_app(MAIN, **{"ballast.bin": ballast}))
        assert abs(len(image) - SIZE) < BLOCK
        return image, testbed.offer(image, "1.0.1", transport)

    return make


def _offered(make_testbed, big_offer):
    """(testbed, image): the board is off, and will find the offer when its power returns."""
    testbed = make_testbed(slot_size=SLOT_SIZE)
    steps.online(testbed)
    image, offer = big_offer(testbed)
    testbed.board.cut_power()
    testbed.push(offer)
    return testbed, image


def _spare(testbed) -> str:
    return "upgrade" if testbed.board.facts["boot_mode"] == "w80x" else "ota_1"


def _written(testbed) -> int:
    return sum(testbed.board.wear(_spare(testbed)))


def _let_it_write(testbed, kib: float, before_the_end: int) -> None:
    """The server gives so much and then stalls; return a few blocks before the board has it all."""
    testbed.files.heal()
    testbed.files.fail(Fault(stall_after=int(kib * 1024), times=None))
    blocks = max(1, int(kib * 1024) // BLOCK - before_the_end)
    target = _written(testbed) + blocks
    testbed.board.power_on()
    steps.until(lambda: _written(testbed) >= target, f"{blocks} blocks more")


def _check_updated(testbed, image) -> None:
    """By itself, from the one offer that was pushed, and said once."""
    testbed.wait_report("UPDATE", steps.PATIENCE_S)
    testbed.board.wait_for("confirmed 1.0.1")
    assert checks.error_codes(testbed) == []
    assert {version for kind, version in checks.reports(testbed) if kind == "INIT"} == {"1.0.0"}
    runs = "run" if testbed.board.facts["boot_mode"] == "w80x" else "ota_1"
    checks.check_record(testbed, runs, image, "1.0.1")
    assert testbed.board.slot(runs, len(image)) == image


def _check_cost(testbed, image, cuts) -> None:
    """Of so many cuts: in bytes that came twice, and in erases."""
    twice = sum(request.sent for request in testbed.files.requests) - len(image)
    assert 0 <= twice <= cuts * (CHECKPOINT + BLOCK)
    used = -(-len(image) // BLOCK)
    wear = testbed.board.wear(_spare(testbed))
    assert min(wear[:used]) >= 1
    assert max(wear[:used]) <= 1 + cuts
    assert not any(wear[used:])


@pytest.mark.parametrize(
    ("transport", "options"),
    [
        ("https", {}),
        ("http", {}),
        ("https", {"boot_mode": "w80x", "image": "wm"}),
        ("https", {"runtime": "cpython"}),
    ],
    ids=["https", "http", "w80x", "cpython"],
)
def test_ten_cuts(make_testbed, big_offer, transport, options):
    """At random moments: while blocks come, or while the server stalls with a piece of one on its way."""
    chance = random.Random(len(transport) + len(options))
    testbed = make_testbed(slot_size=SLOT_SIZE, **options)
    steps.online(testbed)
    image, offer = big_offer(testbed, transport)
    testbed.board.cut_power()
    testbed.push(offer)
    for _ in range(CUTS):
        _let_it_write(testbed, chance.uniform(110, 150), chance.randrange(8))
        testbed.board.cut_power()
    assert _written(testbed) > len(image) // BLOCK // 2
    testbed.files.heal()
    testbed.board.power_on()
    _check_updated(testbed, image)
    _check_cost(testbed, image, CUTS)
    assert len([request for request in testbed.files.requests if request.range == "bytes=0-63"]) == CUTS


def test_two_cuts_in_a_row(make_testbed, big_offer):
    """The second one comes before the board is back at its download."""
    testbed, image = _offered(make_testbed, big_offer)
    _let_it_write(testbed, 600, 3)
    for _ in range(2):
        testbed.board.cut_power()
        start = len(testbed.board.lines)
        testbed.board.power_on()
        testbed.board.wait_for("boot: running slot ota_0", start=start)
    testbed.board.cut_power()
    testbed.files.heal()
    testbed.board.power_on()
    _check_updated(testbed, image)
    _check_cost(testbed, image, 1)


def test_cuts_that_leave_no_checkpoint(make_testbed, big_offer):
    """A few of them are no reason to wait, and the offer is still the same."""
    testbed, image = _offered(make_testbed, big_offer)
    for _ in range(3):
        _let_it_write(testbed, 40, 3)
        testbed.board.cut_power()
    testbed.files.heal()
    testbed.board.power_on()
    _check_updated(testbed, image)
    _check_cost(testbed, image, 3)


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_cut_in_the_verification(make_testbed, make_app, runtime):
    """What is in the slot is not fetched again, but for what came after the last checkpoint."""
    testbed = make_testbed(runtime=runtime, app=make_app(apps.slow()), config={"checkpoint_kib": 8})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.push(offer)
    for count in (1, 2):
        steps.wait_lines(testbed, "verifying", count)
        testbed.board.cut_power()
        assert not testbed.board.state()["trial"]
        assert testbed.board.slot("ota_1", 64) == b"\xff" * 64
        testbed.board.power_on()
    _check_updated(testbed, image)
    kept = (len(image) - 1) // 8192 * 8192
    again = ["bytes=0-63", f"bytes={kept}-"]
    assert [request.range for request in testbed.files.requests] == [None, *again, *again]


@pytest.mark.parametrize("boot_mode, kind", [("idf", "esp32"), ("w80x", "wm")], ids=["idf", "w80x"])
@pytest.mark.parametrize(
    "line",
    ["OTA progress:1-0%", "OTA progress:7-100%", "ota reboot", "1.0.1 build at", '"UPDATE"'],
    ids=["started", "downloaded", "reboot", "new one boots", "new one reports"],
)
def test_cut_at_a_line(make_testbed, boot_mode, kind, line):
    """From the stored offer to the report, whatever the board had just written."""
    testbed = make_testbed(boot_mode=boot_mode, image=kind)
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    testbed.push(offer)
    testbed.board.wait_for(line)
    testbed.board.cut_power()
    testbed.board.power_on()
    _check_confirmed(testbed, image)


def test_cut_before_the_offer_is_stored(make_testbed):
    """The one moment in which the server has to say it again; it does so after each INIT."""
    testbed = make_testbed()
    image, offer = steps.new_offer(testbed)
    testbed.operator.offer_after_init(MAC, offer)
    testbed.board.power_on()
    testbed.board.wait_for("Version: 1.0.1")
    testbed.board.cut_power()
    testbed.board.power_on()
    _check_confirmed(testbed, image)


def _check_confirmed(testbed, image) -> None:
    """The cut may have come before or after the confirm: then the next report is an INIT of the new one."""
    steps.until(lambda: checks.reports(testbed)[-1][1] == "1.0.1", "report of the new image")
    testbed.board.wait_for("confirmed 1.0.1")
    assert checks.error_codes(testbed) == []
    runs = "run" if testbed.board.facts["boot_mode"] == "w80x" else "ota_1"
    checks.check_record(testbed, runs, image, "1.0.1")
    assert testbed.board.slot(runs, len(image)) == image
