"""device.start: is the package whole, and which image runs."""

import os

from check import patched, raises_code, recorded_log, run
from fakeagent import FakeAgent
from faketrial import NEW, Board, record
from phasefolder import PhaseFolder

from device import errors, guard, phases, start

RECORD = {"version": "1.0.0", "build_time": "\u4e94\u6708", "size": 1, "digest": "00"}


def test_no_record_is_version_zero():
    with Board() as board, recorded_log() as lines:
        made = board.start()
        assert made.running["version"] == "0.0.0" and not made.is_new
    assert any(line.startswith("W/ota") and "0.0.0" in line for line in lines)


def test_a_record_that_went_with_a_failed_image_leaves_the_cause():
    with Board() as board:
        guard.note_cause("main.py has ended")
        made = board.start()
        assert made.report.codes() == [errors.ROLLED_BACK]
        assert dict(made.report.errors[0].facts) == {"cause": "main.py has ended"}
        assert board.start().report.codes() == []


def test_the_record_of_the_slot_says_what_runs():
    with Board() as board:
        made = FakeAgent()
        made.state["slots"] = {"ota_0": record(), "ota_1": RECORD}
        run(start.identify(made))
        assert made.running == record() and not made.is_new and not made.can_return
        assert board.running.operations == 0, "without a trial nothing is read"


def test_the_new_image_is_known_by_its_digest():
    for content, is_new in ((NEW, True), (NEW[:-1] + b"\0", False)):
        with Board(running=content) as board:
            made = board.begin()
            assert made.is_new is made.can_return is is_new
            assert made.running["version"] == ("1.2.3" if is_new else "0.0.0")


def test_a_slot_that_is_read_in_the_end_is_read():
    """One bad read is not a verdict on an image."""
    with Board(running=NEW) as board:
        board.begin()
        for fails, is_new in ((2, True), (3, False)):
            made = FakeAgent("trial.json")
            left = [OSError(5, "flash")] * fails
            real = board.running.readblocks

            def read(*arguments, left=left, real=real):
                if left:
                    raise left.pop()
                real(*arguments)

            with patched(board.running, "readblocks", read):
                run(start.identify(made))
            assert made.is_new is is_new, fails


def test_a_slot_that_cannot_be_asked_is_no_answer():
    """A damaged package must not take a new image for the old one."""
    with Board(running=NEW) as board:
        board.begin()
        made = FakeAgent("trial.json")
        with patched(phases, "steps", _cannot_load):
            raises_code(errors.NO_INIT, run, start.identify(made))
        assert not made.is_new and made.state["trial"]


def _cannot_load(*_):
    raise errors.OtaError(errors.NO_INIT, "cannot load")


def test_an_image_larger_than_the_slot_is_not_in_it():
    with Board(running=NEW) as board:
        made = board.begin()
        made.state["trial"]["size"] = 1 << 20
        made.is_new = False
        run(start.identify(made))
        assert not made.is_new and made.running["version"] == "0.0.0"


def test_a_package_that_lacks_a_module_does_not_start():
    names = start._MODULES.split()
    whole = {}.fromkeys(names, "")
    made = FakeAgent().config
    with PhaseFolder(whole):
        start.check_package(made)
    del whole[names[-1]]
    with PhaseFolder(whole) as folder:
        error = raises_code(errors.NO_INIT, start.check_package, made)
        assert names[-1] in error.detail
        with open("%s/%s.mpy" % (folder.path, names[-1]), "w"):
            pass  # compiled is as good
        start.check_package(made)
        for key, value, module in (("language", "zh", "texts_zh"), ("image", "wm", "wm")):
            setattr(made, key, value)
            error = raises_code(errors.NO_INIT, start.check_package, made)
            assert "/%s is missing: deploy" % module in error.detail
            with open("%s/%s.py" % (folder.path, module), "w"):
                pass
            start.check_package(made)
        folder.move(".frozen/device")  # cannot be looked at, and lacks nothing
        start.check_package(made)


def test_the_list_of_modules_is_the_package():
    """All but those that are resident, which are loaded before anything is checked, and options."""
    others = "__init__ agent clock config errors files link log net phases report start texts_zh wm".split()
    with PhaseFolder({}) as folder:
        files = [name.rsplit(".", 1) for name in os.listdir(folder.real_path)]
    found = [parts[0] for parts in files if parts[-1] in ("py", "mpy")]
    listed = start._MODULES.split()
    assert sorted(listed) == listed
    outside = [name for name in found if name not in listed]
    assert sorted(outside) in (others, sorted(others + ["manifest"]))
    assert len(found) == len(listed) + len(outside)
