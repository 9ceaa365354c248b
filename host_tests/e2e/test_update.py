"""A whole update, on every interpreter, by every way in, for every kind of image and boot loader."""

from __future__ import annotations

import checks
import pytest
import steps

from tools.image import firmware, images
from tools.programs import runtimes
from tools.testbed.testbed import BOARD, MAC

BUILD_TIME = "Jan 05 2026 01:02:03"

pytestmark = pytest.mark.parametrize("runtime", runtimes.END_TO_END)


def _image(testbed, version="1.0.1"):
    source = testbed.runtime == "cpython"
    return firmware.build_image(version, testbed.image, BOARD, source, build_time=BUILD_TIME)


def _old_image(testbed, label):
    """As the first slot holds it: the trailer ends it, erased flash follows."""
    return testbed.board.slot(label).rstrip(b"\xff")


def _check_story(testbed, old, new):
    """INIT of the old, UPDATE of the new, and between them progress that rises."""
    steps.until(
        lambda: any(m.data.get("state") == "confirmed" for m in testbed.operator.messages), "the confirmation"
    )
    checks.check_envelopes(testbed)
    first, second = checks.boots(testbed)
    old_slot, new_slot = ("run", "run") if testbed.board.facts["boot_mode"] == "w80x" else ("ota_0", "ota_1")
    for messages, kind, image, slot in ((first, "INIT", old, old_slot), (second, "UPDATE", new, new_slot)):
        assert messages[0].name == "firmware/report"
        trailer = images.read_trailer(image)
        expected = {"version": trailer["version"], "build_time": trailer["build_time"]}
        assert messages[0].data == {"type": kind, **expected, "slot": slot}
    checks.check_progress(first)
    states = [m.data for m in first + second if "state" in m.data]
    assert states == [{"state": "verified"}, {"state": "confirmed", "version": "1.0.1"}]
    assert first[-1].data == {"state": "verified"}
    assert checks.error_codes(testbed) == []


def _update_and_check(testbed, transport="https"):
    """Push one update of a board with two slots, and look at everything it leaves behind."""
    whole = testbed.board.slot("ota_0")
    old, new = _old_image(testbed, "ota_0"), _image(testbed)
    steps.online(testbed)
    steps.update(testbed, testbed.offer(new, "1.0.1", transport))
    testbed.board.wait_for("confirmed 1.0.1")
    _check_story(testbed, old, new)
    assert [request.scheme for request in testbed.files.requests] == [transport]
    checks.check_erased_once(testbed, "ota_1", len(new))
    checks.check_record(testbed, "ota_1", new, "1.0.1")
    assert testbed.board.slot("ota_1", len(new)) == new
    assert testbed.board.slot("ota_0") == whole
    assert not any(testbed.board.wear("ota_0"))


@pytest.mark.parametrize("transport", ["https", "http"])
def test_push(make_testbed, runtime, transport):
    _update_and_check(make_testbed(runtime=runtime), transport)


def test_wm_image(make_testbed, runtime):
    _update_and_check(make_testbed(runtime=runtime, image="wm"))


def test_epoch_2000(make_testbed, runtime):
    _update_and_check(make_testbed(runtime=runtime, epoch=2000))


def test_plain_mqtt(make_testbed, runtime):
    _update_and_check(make_testbed(runtime=runtime, plain_mqtt=True))


def test_poll(make_testbed, runtime):
    """The answer to `get` is an offer; the same answer to the new image means nothing newer."""
    testbed = make_testbed(runtime=runtime, config={"check_interval_s": 1})
    old, new = _old_image(testbed, "ota_0"), _image(testbed)
    testbed.operator.answer_get(MAC, testbed.offer(new, "1.0.1"))
    steps.online(testbed)
    testbed.wait_report("UPDATE")
    testbed.board.wait_for("nothing newer than 1.0.1")
    _check_story(testbed, old, new)
    gets = [[m for m in messages if m.name == "get"] for messages in checks.boots(testbed)]
    assert len(gets[0]) == 1
    assert gets[1]
    assert all(m.data == {} and m.envelope["data"] == {} for boot in gets for m in boot)
    assert len(testbed.files.requests) == 1
    checks.check_erased_once(testbed, "ota_1", len(new))
    checks.check_record(testbed, "ota_1", new, "1.0.1")


def test_w80x(make_testbed, runtime):
    """Its boot loader copies the upgrade slot over the running one; there is no way back."""
    testbed = make_testbed(runtime=runtime, image="wm", boot_mode="w80x")
    old, new = _old_image(testbed, "run"), _image(testbed)
    steps.online(testbed)
    steps.update(testbed, testbed.offer(new, "1.0.1"))
    testbed.board.wait_for("confirmed 1.0.1")
    _check_story(testbed, old, new)
    checks.check_erased_once(testbed, "upgrade", len(new))
    assert set(testbed.board.wear("run")) == {1}  # by the boot loader
    checks.check_record(testbed, "run", new, "1.0.1")
    assert testbed.board.slot("run", len(new)) == new
