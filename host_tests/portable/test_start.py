"""device.start: what survives a reboot, what a damaged record means, which image runs."""

import json
import os

from check import patched, raises_code, recorded_log, run
from fakeagent import FakeAgent
from faketrial import NEW, Board, record
from phasefolder import PhaseFolder

from device import agent, errors, phases, start

RECORD = {"version": "1.0.0", "build_time": "\u4e94\u6708", "size": 1, "digest": "00"}
TRIAL = {
    "version": "1.2.3", "build_time": "", "size": 5, "signature": "c2ln", "digest": "ab",
    "attempts": 0,
}  # fmt: skip
KEYS = "doubts failed floor format known_time refused slots trial waiting".split()


def _write(name, text):
    with open(name, "w") as file:
        file.write(text)
    return name


def _read(name):
    with open(name) as file:
        return json.loads(file.read())


def _save(name, state):
    """As the agent does it."""
    made = FakeAgent()
    made.state = state
    with patched(agent, "STATE", name):
        agent.Agent.save_state(made)


def test_round_trip():
    first = start.load_state("round.json")
    first["slots"]["ota_0"] = RECORD
    first["trial"] = TRIAL
    first["waiting"] = {"version": "1.2.3"}
    first["floor"] = "1.0.0"
    first["refused"] = [{"version": "1.2.3", "size": 5, "signature": "c2ln", "digest": "ab"}]
    first["known_time"], first["doubts"] = 1800000000, 3
    _save("round.json", first)
    assert start.load_state("round.json") == first
    assert "round.json.new" not in os.listdir()


def test_none_yet():
    state = start.load_state("none.json")
    assert sorted(state) == KEYS and state["format"] == 1
    assert state["slots"] == {} and state["refused"] == [] and state["known_time"] == state["doubts"] == 0
    assert [state[key] for key in ("trial", "waiting", "failed", "floor")] == [None] * 4


def test_a_record_that_cannot_be_written_is_told():
    raises_code(errors.FLASH, _save, "no/such/folder/state.json", {})


def test_damaged_files_are_ignored_with_a_warning():
    for number, text in enumerate(("", "[]", "1", "null", "not json", '"a"', "\0\0\0")):
        name = _write("damaged%d.json" % number, text)
        with recorded_log() as lines:
            state = start.load_state(name)
        assert state["slots"] == {} and state["trial"] is None and state["refused"] == [], text
        assert any(line.startswith("W/ota") for line in lines), text
        state["floor"] = "1.0.0"
        _save(name, state)
        assert start.load_state(name)["floor"] == "1.0.0"


def test_bytes_that_are_no_text_are_ignored():
    with open("binary.json", "wb") as file:
        file.write(b"\xff\xfe{" * 20)
    assert start.load_state("binary.json")["slots"] == {}


def test_values_of_the_wrong_kind_are_ignored():
    values = '"slots": [1], "trial": "x", "waiting": 5, "refused": {"a": 1}, "floor": 7, "failed": [], '
    state = start.load_state(_write("kinds.json", "{%s}" % (values + '"known_time": "x", "doubts": true')))
    assert (state["slots"], state["trial"], state["waiting"], state["refused"]) == ({}, None, None, [])
    assert (state["failed"], state["known_time"], state["doubts"]) == (None, 0, 0)
    for number in (-1, None, 1.5):
        text = json.dumps({"known_time": number, "doubts": number})
        state = start.load_state(_write("numbers.json", text))
        assert state["known_time"] == state["doubts"] == 0, number


def test_records_that_lack_something_are_ignored():
    """Else the board would stumble over them at every boot."""
    for key in ("version", "build_time", "size", "digest", "attempts", "signature"):
        for value in (None, [], True if key not in ("attempts", "size") else "x"):
            bad = dict(TRIAL)
            bad[key] = value
            if value is None:
                del bad[key]
            state = start.load_state(_write("lacks.json", json.dumps({"trial": bad, "slots": {"a": bad}})))
            assert state["trial"] is None, (key, value)
            assert state["slots"] == {} or key in ("attempts", "signature"), (key, value)
    bad = dict(TRIAL)
    bad["excuses"] = "x"
    assert start.load_state(_write("lacks.json", json.dumps({"trial": bad})))["trial"] is None
    assert start.load_state(_write("lacks.json", json.dumps({"trial": TRIAL})))["trial"] == TRIAL


def test_numbers_of_a_failed_offer_that_are_missing_or_none():
    failed = {}.fromkeys(("starts", "position", "code", "count", "until", "faults", "rest"), 1)
    failed["offer"] = ["1.2.3"]
    assert start.load_state(_write("failed.json", json.dumps({"failed": failed})))["failed"] == failed
    for key in failed:
        if key != "offer":
            for value in (None, "1", True):
                bad = dict(failed)
                bad[key] = value
                state = start.load_state(_write("failed.json", json.dumps({"failed": bad})))
                assert state["failed"] is None, key


def test_entries_of_the_refused_list_of_the_wrong_kind():
    state = start.load_state(_write("entries.json", '{"refused": [1, null, "x", {"digest": "ab"}]}'))
    assert state["refused"] == [{"digest": "ab"}]


def test_keys_of_a_later_version_are_kept():
    name = _write("later.json", '{"slots": {}, "format": 3, "journal": {"block": 3}, "x": null}')
    state = start.load_state(name)
    state["floor"] = "1.0.0"
    _save(name, state)
    values = _read(name)
    assert values["journal"] == {"block": 3} and "x" in values and values["floor"] == "1.0.0"
    assert values["format"] == 3


def test_a_left_over_of_a_cut_save_changes_nothing():
    state = start.load_state("cut.json")
    state["floor"] = "1.0.0"
    _save("cut.json", state)
    _write("cut.json.new", '{"floor": "9.9')
    assert start.load_state("cut.json")["floor"] == "1.0.0"
    state["floor"] = "1.0.1"
    _save("cut.json", state)
    assert start.load_state("cut.json")["floor"] == "1.0.1"


def test_a_record_that_a_cut_left_under_its_new_name_is_found():
    """FAT: the old one is gone, and the new one is not called so yet."""
    _write("fat.json.new", '{"floor": "1.0.2"}')
    assert start.load_state("fat.json")["floor"] == "1.0.2"


def test_an_operator_gives_failed_images_another_chance():
    made = FakeAgent("cleared.json")
    made.state["refused"], made.state["failed"] = [{"digest": "ab"}], {"code": errors.TIMEOUT}
    made.clear_refused()
    state = start.load_state("cleared.json")
    assert made.state["refused"] == state["refused"] == [] and made.state["failed"] is state["failed"] is None
    made.save_fails = True
    raises_code(errors.FLASH, made.clear_refused)


def test_no_record_is_version_zero():
    with Board() as board, recorded_log() as lines:
        made = board.start()
        assert made.running["version"] == "0.0.0" and not made.is_new
    assert any(line.startswith("W/ota") and "0.0.0" in line for line in lines)


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
    """One bad read is no verdict on an image."""
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
    with PhaseFolder(whole):
        start.check_package()
    del whole[names[-1]]
    with PhaseFolder(whole) as folder:
        error = raises_code(errors.NO_INIT, start.check_package)
        assert names[-1] in error.detail
        with open("%s/%s.mpy" % (folder.path, names[-1]), "w"):
            pass  # compiled is as good
        start.check_package()
        folder.move(".frozen/device")  # cannot be looked at, and lacks nothing
        start.check_package()


def test_the_list_of_modules_is_the_package():
    """All but those that are resident, which are loaded before anything is checked."""
    resident = "__init__ agent clock config errors files link log net phases report start".split()
    with PhaseFolder({}) as folder:
        files = [name.rsplit(".", 1) for name in os.listdir(folder.real_path)]
    found = [parts[0] for parts in files if parts[-1] in ("py", "mpy")]
    listed = start._MODULES.split()
    assert sorted(listed) == listed
    outside = [name for name in found if name not in listed]
    assert sorted(outside) in (sorted(resident), sorted(resident + ["manifest"]))
    assert len(found) == len(listed) + len(outside)
