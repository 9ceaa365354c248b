"""A whole update, on every interpreter, by every way in, for every kind of image and boot loader."""

from __future__ import annotations

import checks
import pytest
import steps

from tools.image import firmware, images
from tools.programs import runtimes
from tools.testbed.stage import BOARD, MAC

BUILD_TIME = "Jan 05 2026 01:02:03"

pytestmark = pytest.mark.parametrize("runtime", runtimes.END_TO_END)


def _image(stage, version="1.0.1"):
    source = stage.runtime == "cpython"
    return firmware.build_image(version, stage.image, BOARD, source, build_time=BUILD_TIME)


def _old_image(stage, label):
    """As the first slot holds it: the trailer ends it, erased flash follows."""
    return stage.board.slot(label).rstrip(b"\xff")


def _check_story(stage, old, new):
    """INIT of the old, UPDATE of the new, and between them progress that rises."""
    steps.until(
        lambda: any(m.data.get("state") == "confirmed" for m in stage.operator.messages), "the confirmation"
    )
    checks.check_envelopes(stage)
    first, second = checks.boots(stage)
    old_slot, new_slot = ("run", "run") if stage.board.facts["boot_mode"] == "w80x" else ("ota_0", "ota_1")
    for messages, kind, image, slot in ((first, "INIT", old, old_slot), (second, "UPDATE", new, new_slot)):
        assert messages[0].name == "firmware/report"
        trailer = images.read_trailer(image)
        expected = {"version": trailer["version"], "build_time": trailer["build_time"]}
        assert messages[0].data == {"type": kind, **expected, "slot": slot}
    checks.check_progress(first)
    states = [m.data for m in first + second if "state" in m.data]
    assert states == [{"state": "verified"}, {"state": "confirmed", "version": "1.0.1"}]
    assert first[-1].data == {"state": "verified"}
    assert checks.error_codes(stage) == []


def _update_and_check(stage, transport="https"):
    """Push one update of a board with two slots, and look at everything it leaves behind."""
    whole = stage.board.slot("ota_0")
    old, new = _old_image(stage, "ota_0"), _image(stage)
    steps.online(stage)
    steps.update(stage, stage.offer(new, "1.0.1", transport))
    stage.board.wait_for("confirmed 1.0.1")
    _check_story(stage, old, new)
    assert [request.scheme for request in stage.files.requests] == [transport]
    checks.check_erased_once(stage, "ota_1", len(new))
    checks.check_record(stage, "ota_1", new, "1.0.1")
    assert stage.board.slot("ota_1", len(new)) == new
    assert stage.board.slot("ota_0") == whole
    assert not any(stage.board.wear("ota_0"))


@pytest.mark.parametrize("transport", ["https", "http"])
def test_push(make_stage, runtime, transport):
    _update_and_check(make_stage(runtime=runtime), transport)


def test_wm_image(make_stage, runtime):
    _update_and_check(make_stage(runtime=runtime, image="wm"))


def test_epoch_2000(make_stage, runtime):
    _update_and_check(make_stage(runtime=runtime, epoch=2000))


def test_plain_mqtt(make_stage, runtime):
    _update_and_check(make_stage(runtime=runtime, plain_mqtt=True))


def test_poll(make_stage, runtime):
    """The answer to `get` is an offer; the same answer to the new image means nothing newer."""
    stage = make_stage(runtime=runtime, config={"check_interval_s": 1})
    old, new = _old_image(stage, "ota_0"), _image(stage)
    stage.operator.answer_get(MAC, stage.offer(new, "1.0.1"))
    steps.online(stage)
    stage.wait_report("UPDATE")
    stage.board.wait_for("nothing newer than 1.0.1")
    _check_story(stage, old, new)
    gets = [[m for m in messages if m.name == "get"] for messages in checks.boots(stage)]
    assert len(gets[0]) == 1
    assert gets[1]
    assert all(m.data == {} and m.envelope["data"] == {} for boot in gets for m in boot)
    assert len(stage.files.requests) == 1
    checks.check_erased_once(stage, "ota_1", len(new))
    checks.check_record(stage, "ota_1", new, "1.0.1")


def test_w80x(make_stage, runtime):
    """Its boot loader copies the upgrade slot over the running one; there is no way back."""
    stage = make_stage(runtime=runtime, image="wm", boot_mode="w80x")
    old, new = _old_image(stage, "run"), _image(stage)
    steps.online(stage)
    steps.update(stage, stage.offer(new, "1.0.1"))
    stage.board.wait_for("confirmed 1.0.1")
    _check_story(stage, old, new)
    checks.check_erased_once(stage, "upgrade", len(new))
    assert set(stage.board.wear("run")) == {1}  # by the boot loader
    checks.check_record(stage, "run", new, "1.0.1")
    assert stage.board.slot("run", len(new)) == new
