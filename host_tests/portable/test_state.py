"""device.state: what survives a reboot, and what a damaged record means."""

import json
import os

import makeoffer
from check import raises_code, recorded_log
from fakeagent import FakeAgent

from device import errors
from device import state as device_state

RECORD = {"version": "1.0.0", "build_time": "\u4e94\u6708", "size": 1, "digest": "00"}
TRIAL = {
    "version": "1.2.3", "build_time": "", "size": 5, "signature": "c2ln", "digest": "ab",
    "attempts": 0,
}  # fmt: skip
KEYS = "agreed_time doubts failed floor format known_time refused slots trial untold waiting wear".split()


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
    made.path = name
    made.save_state()


def test_round_trip():
    first = device_state.load("round.json")
    first["slots"]["ota_0"] = RECORD
    first["trial"] = TRIAL
    first["waiting"] = {"version": "1.2.3"}
    first["floor"] = "1.0.0"
    first["refused"] = [makeoffer.refused("ab", at=1800000000, pause_s=604800)]
    first["known_time"], first["doubts"], first["agreed_time"] = 1800000000, 3, 1800000001
    first["untold"] = "1.2.3"
    _save("round.json", first)
    assert device_state.load("round.json") == first
    assert "round.json.new" not in os.listdir()


def test_none_yet():
    state = device_state.load("none.json")
    assert sorted(state) == KEYS and state["format"] == 1
    assert state["slots"] == {} and state["refused"] == [] and state["known_time"] == state["doubts"] == 0
    assert [state[key] for key in ("trial", "waiting", "failed", "floor")] == [None] * 4


def test_a_record_that_cannot_be_written_is_told():
    raises_code(errors.FLASH, _save, "no/such/folder/state.json", {})


def test_damaged_files_are_ignored_with_a_warning():
    for number, text in enumerate(("", "[]", "1", "null", "not json", '"a"', "\0\0\0")):
        name = _write("damaged%d.json" % number, text)
        with recorded_log() as lines:
            state = device_state.load(name)
        assert state["slots"] == {} and state["trial"] is None and state["refused"] == [], text
        assert any(line.startswith("W/ota") for line in lines), text
        state["floor"] = "1.0.0"
        _save(name, state)
        assert device_state.load(name)["floor"] == "1.0.0"


def test_bytes_that_are_no_text_are_ignored():
    with open("binary.json", "wb") as file:
        file.write(b"\xff\xfe{" * 20)
    assert device_state.load("binary.json")["slots"] == {}


def test_values_of_the_wrong_kind_are_ignored():
    values = '"slots": [1], "trial": "x", "waiting": 5, "refused": {"a": 1}, "floor": 7, "failed": [], '
    state = device_state.load(_write("kinds.json", "{%s}" % (values + '"known_time": "x", "doubts": true')))
    assert (state["slots"], state["trial"], state["waiting"], state["refused"]) == ({}, None, None, [])
    assert (state["failed"], state["known_time"], state["doubts"]) == (None, 0, 0)
    for number in (-1, None, 1.5):
        text = json.dumps({"known_time": number, "doubts": number})
        state = device_state.load(_write("numbers.json", text))
        assert state["known_time"] == state["doubts"] == 0, number


def test_records_that_lack_something_are_ignored():
    """Else the board would stumble over them at every boot."""
    for key in ("version", "build_time", "size", "digest", "attempts", "signature"):
        for value in (None, [], True if key not in ("attempts", "size") else "x"):
            bad = dict(TRIAL)
            bad[key] = value
            if value is None:
                del bad[key]
            state = device_state.load(_write("lacks.json", json.dumps({"trial": bad, "slots": {"a": bad}})))
            assert state["trial"] is None, (key, value)
            assert state["slots"] == {} or key in ("attempts", "signature"), (key, value)
    bad = dict(TRIAL)
    bad["excuses"] = "x"
    assert device_state.load(_write("lacks.json", json.dumps({"trial": bad})))["trial"] is None
    assert device_state.load(_write("lacks.json", json.dumps({"trial": TRIAL})))["trial"] == TRIAL


def test_numbers_of_a_failed_offer_that_are_missing_or_none():
    failed = {}.fromkeys(("starts", "position", "code", "count", "until", "faults", "rest"), 1)
    failed["offer"] = ["1.2.3"]
    assert device_state.load(_write("failed.json", json.dumps({"failed": failed})))["failed"] == failed
    for key in failed:
        if key != "offer":
            for value in (None, "1", True):
                bad = dict(failed)
                bad[key] = value
                state = device_state.load(_write("failed.json", json.dumps({"failed": bad})))
                assert state["failed"] is None, key


def test_entries_of_the_refused_list_of_the_wrong_kind():
    """Images of before have written no times."""
    entries = '[1, null, "x", {}, {"digest": "ab"}, {"digest": "cd", "at": 5, "pause_s": "x", "new": 7}]'
    state = device_state.load(_write("entries.json", '{"refused": %s}' % entries))
    assert state["refused"] == [
        {"digest": "ab", "at": 0, "pause_s": 0},
        {"digest": "cd", "at": 5, "pause_s": 0, "new": 7},
    ]


def test_keys_of_a_later_version_are_kept():
    name = _write("later.json", '{"slots": {}, "format": 3, "journal": {"block": 3}, "x": null}')
    state = device_state.load(name)
    state["floor"] = "1.0.0"
    _save(name, state)
    values = _read(name)
    assert values["journal"] == {"block": 3} and "x" in values and values["floor"] == "1.0.0"
    assert values["format"] == 3


def test_a_left_over_of_a_cut_save_changes_nothing():
    state = device_state.load("cut.json")
    state["floor"] = "1.0.0"
    _save("cut.json", state)
    _write("cut.json.new", '{"floor": "9.9')
    assert device_state.load("cut.json")["floor"] == "1.0.0"
    state["floor"] = "1.0.1"
    _save("cut.json", state)
    assert device_state.load("cut.json")["floor"] == "1.0.1"


def test_a_record_that_a_cut_left_under_its_new_name_is_found():
    """FAT: the old one is gone, and the new one is not called so yet."""
    _write("fat.json.new", '{"floor": "1.0.2"}')
    assert device_state.load("fat.json")["floor"] == "1.0.2"


def test_an_operator_gives_failed_images_another_chance():
    made = FakeAgent("cleared.json")
    made.state["refused"], made.state["failed"] = [{"digest": "ab"}], {"code": errors.TIMEOUT}
    made.clear_refused()
    state = device_state.load("cleared.json")
    assert made.state["refused"] == state["refused"] == [] and made.state["failed"] is state["failed"] is None
    made.save_fails = True
    raises_code(errors.FLASH, made.clear_refused)
