"""The power is cut, again and again, in an update of real size: it ends, and the server offers it once."""

from __future__ import annotations

import random

import apps
import checks
import pytest
import steps

from tools.server.files import Fault
from tools.simboard.board import BLOCK
from tools.testbed.stage import MAC

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
    """big_offer(stage, transport) -> (image of about SIZE bytes, its offer)."""

    def make(stage, transport="https"):
        ballast = random.Random(1).randbytes(SIZE - len(stage.build("1.0.1")))
        image = stage.build("1.0.1", make_app(MAIN, **{"ballast.bin": ballast}))
        assert abs(len(image) - SIZE) < BLOCK
        return image, stage.offer(image, "1.0.1", transport)

    return make


def _offered(make_stage, big_offer):
    """(stage, image): the board is off, and will find the offer when its power returns."""
    stage = make_stage(slot_size=SLOT_SIZE)
    steps.online(stage)
    image, offer = big_offer(stage)
    stage.board.cut_power()
    stage.push(offer)
    return stage, image


def _spare(stage) -> str:
    return "upgrade" if stage.board.facts["boot_mode"] == "w80x" else "ota_1"


def _written(stage) -> int:
    return sum(stage.board.wear(_spare(stage)))


def _let_it_write(stage, kib: float, before_the_end: int) -> None:
    """The server gives so much and then stalls; return a few blocks before the board has it all."""
    stage.files.heal()
    stage.files.fail(Fault(stall_after=int(kib * 1024), times=None))
    blocks = max(1, int(kib * 1024) // BLOCK - before_the_end)
    target = _written(stage) + blocks
    stage.board.power_on()
    steps.until(lambda: _written(stage) >= target, f"{blocks} blocks more")


def _check_updated(stage, image) -> None:
    """By itself, from the one offer that was pushed, and said once."""
    stage.wait_report("UPDATE", steps.PATIENCE_S)
    stage.board.wait_for("confirmed 1.0.1")
    assert checks.error_codes(stage) == []
    assert {version for kind, version in checks.reports(stage) if kind == "INIT"} == {"1.0.0"}
    runs = "run" if stage.board.facts["boot_mode"] == "w80x" else "ota_1"
    checks.check_record(stage, runs, image, "1.0.1")
    assert stage.board.slot(runs, len(image)) == image


def _check_cost(stage, image, cuts) -> None:
    """Of so many cuts: in bytes that came twice, and in erases."""
    twice = sum(request.sent for request in stage.files.requests) - len(image)
    assert 0 <= twice <= cuts * (CHECKPOINT + BLOCK)
    used = -(-len(image) // BLOCK)
    wear = stage.board.wear(_spare(stage))
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
def test_ten_cuts(make_stage, big_offer, transport, options):
    """At random moments: while blocks come, or while the server stalls with a piece of one on its way."""
    chance = random.Random(len(transport) + len(options))
    stage = make_stage(slot_size=SLOT_SIZE, **options)
    steps.online(stage)
    image, offer = big_offer(stage, transport)
    stage.board.cut_power()
    stage.push(offer)
    for _ in range(CUTS):
        _let_it_write(stage, chance.uniform(110, 150), chance.randrange(8))
        stage.board.cut_power()
    assert _written(stage) > len(image) // BLOCK // 2
    stage.files.heal()
    stage.board.power_on()
    _check_updated(stage, image)
    _check_cost(stage, image, CUTS)
    assert len([request for request in stage.files.requests if request.range == "bytes=0-63"]) == CUTS


def test_two_cuts_in_a_row(make_stage, big_offer):
    """The second one comes before the board is back at its download."""
    stage, image = _offered(make_stage, big_offer)
    _let_it_write(stage, 600, 3)
    for _ in range(2):
        stage.board.cut_power()
        start = len(stage.board.lines)
        stage.board.power_on()
        stage.board.wait_for("boot: running slot ota_0", start=start)
    stage.board.cut_power()
    stage.files.heal()
    stage.board.power_on()
    _check_updated(stage, image)
    _check_cost(stage, image, 1)


def test_cuts_that_leave_no_checkpoint(make_stage, big_offer):
    """A few of them are no reason to wait, and the offer is still the same."""
    stage, image = _offered(make_stage, big_offer)
    for _ in range(3):
        _let_it_write(stage, 40, 3)
        stage.board.cut_power()
    stage.files.heal()
    stage.board.power_on()
    _check_updated(stage, image)
    _check_cost(stage, image, 3)


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_cut_in_the_verification(make_stage, make_app, runtime):
    """What is in the slot is not fetched again, but for what came after the last checkpoint."""
    stage = make_stage(runtime=runtime, app=make_app(apps.slow()), config={"checkpoint_kib": 8})
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    stage.push(offer)
    for count in (1, 2):
        steps.wait_lines(stage, "verifying", count)
        stage.board.cut_power()
        assert not stage.board.state()["trial"]
        assert stage.board.slot("ota_1", 64) == b"\xff" * 64
        stage.board.power_on()
    _check_updated(stage, image)
    kept = (len(image) - 1) // 8192 * 8192
    again = ["bytes=0-63", f"bytes={kept}-"]
    assert [request.range for request in stage.files.requests] == [None, *again, *again]


@pytest.mark.parametrize("boot_mode, kind", [("idf", "esp32"), ("w80x", "wm")], ids=["idf", "w80x"])
@pytest.mark.parametrize(
    "line",
    ["OTA progress:1-0%", "OTA progress:7-100%", "ota reboot", "1.0.1 build at", '"UPDATE"'],
    ids=["started", "downloaded", "reboot", "new one boots", "new one reports"],
)
def test_cut_at_a_line(make_stage, boot_mode, kind, line):
    """From the stored offer to the report, whatever the board had just written."""
    stage = make_stage(boot_mode=boot_mode, image=kind)
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    stage.push(offer)
    stage.board.wait_for(line)
    stage.board.cut_power()
    stage.board.power_on()
    _check_confirmed(stage, image)


def test_cut_before_the_offer_is_stored(make_stage):
    """The one moment in which the server has to say it again; it does so after each INIT."""
    stage = make_stage()
    image, offer = steps.new_offer(stage)
    stage.operator.offer_after_init(MAC, offer)
    stage.board.power_on()
    stage.board.wait_for("Version: 1.0.1")
    stage.board.cut_power()
    stage.board.power_on()
    _check_confirmed(stage, image)


def _check_confirmed(stage, image) -> None:
    """The cut may have come before or after the confirm: then the next report is an INIT of the new one."""
    steps.until(lambda: checks.reports(stage)[-1][1] == "1.0.1", "report of the new image")
    stage.board.wait_for("confirmed 1.0.1")
    assert checks.error_codes(stage) == []
    runs = "run" if stage.board.facts["boot_mode"] == "w80x" else "ota_1"
    checks.check_record(stage, runs, image, "1.0.1")
    assert stage.board.slot(runs, len(image)) == image
