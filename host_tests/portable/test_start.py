"""device.state: what survives a reboot, and what a damaged record means."""

import json
import os

from check import recorded_log

from device.state import State

RECORD = {"version": "1.0.0", "build_time": "\u4e94\u6708", "size": 1, "digest": "00"}
TRIAL = {
    "version": "1.2.3", "build_time": "", "size": 5, "signature": "c2ln", "digest": "ab",
    "attempts": 0,
}  # fmt: skip


def _write(name, text):
    with open(name, "w") as file:
        file.write(text)
    return name


def _read(name):
    with open(name) as file:
        return json.loads(file.read())


def test_round_trip():
    first = State("round.json")
    first.slots["ota_0"] = RECORD
    first.trial = TRIAL
    first.waiting = {"version": "1.2.3"}
    first.floor = "1.0.0"
    first.refuse(TRIAL)
    first.save()
    second = State("round.json")
    assert second.slots == first.slots and second.trial == TRIAL
    assert second.waiting == {"version": "1.2.3"} and second.floor == "1.0.0"
    assert second.refused == first.refused
    assert "round.json.new" not in os.listdir()


def test_none_yet():
    state = State("none.json")
    assert (state.slots, state.trial, state.waiting, state.floor, state.refused) == ({}, None, None, None, [])


def test_damaged_files_are_ignored_with_a_warning():
    for number, text in enumerate(("", "[]", "1", "null", "not json", '"a"', "\0\0\0")):
        name = _write("damaged%d.json" % number, text)
        with recorded_log() as lines:
            state = State(name)
        assert state.slots == {} and state.trial is None and state.refused == [], text
        assert any(line.startswith("W/ota") for line in lines), text
        state.floor = "1.0.0"
        state.save()
        assert State(name).floor == "1.0.0"


def test_bytes_that_are_no_text_are_ignored():
    with open("binary.json", "wb") as file:
        file.write(b"\xff\xfe{" * 20)
    assert State("binary.json").slots == {}


def test_values_of_the_wrong_kind_are_ignored():
    text = '{"slots": [1], "trial": "x", "waiting": 5, "refused": {"a": 1}, "floor": 7}'
    state = State(_write("kinds.json", text))
    assert (state.slots, state.trial, state.waiting, state.refused) == ({}, None, None, [])
    assert state.lowest_allowed("1.0.0") == (1, 0, 0)


def test_records_that_lack_something_are_ignored():
    """Else the board would stumble over them at every boot."""
    for key in ("version", "build_time", "size", "digest", "attempts"):
        for value in (None, [], True if key != "attempts" and key != "size" else "x"):
            bad = dict(TRIAL)
            bad[key] = value
            if value is None:
                del bad[key]
            state = State(_write("lacks.json", json.dumps({"trial": bad, "slots": {"a": bad}})))
            assert state.trial is None, (key, value)
            assert state.slots == {} or key == "attempts", (key, value)


def test_entries_of_the_refused_list_of_the_wrong_kind():
    state = State(_write("entries.json", '{"refused": [1, null, "x", {"digest": "ab"}]}'))
    assert state.is_refused("digest", "ab") and not state.is_refused("digest", "cd")


def test_keys_of_a_later_version_are_kept():
    state = State(_write("later.json", '{"slots": {}, "journal": {"block": 3}, "x": null}'))
    state.floor = "1.0.0"
    state.save()
    values = _read("later.json")
    assert values["journal"] == {"block": 3} and "x" in values and values["floor"] == "1.0.0"


def test_the_refused_list_is_bounded_and_keeps_the_newest():
    state = State("refused.json")
    for number in range(20):
        trial = dict(TRIAL)
        trial["digest"] = "%02d" % number
        state.refuse(trial)
    assert len(state.refused) == 8
    assert state.is_refused("digest", "19") and state.is_refused("digest", "12")
    assert not state.is_refused("digest", "11")
    assert state.is_refused("signature", "c2ln") and not state.is_refused("signature", "other")
    assert sorted(state.refused[0]) == ["digest", "signature", "size", "version"]


def test_lowest_allowed():
    state = State("floor.json")
    for floor, running, lowest in (
        (None, "1.2.3", (1, 2, 3)), ("1.2.4", "1.2.3", (1, 2, 4)), ("1.2.3", "1.10.0", (1, 10, 0)),
        ("1.2.3", "nonsense", (1, 2, 3)), (None, "", (0, 0, 0)), ("nonsense", "1.0.0", (1, 0, 0)),
    ):  # fmt: skip
        state.floor = floor
        assert state.lowest_allowed(running) == lowest, (floor, running)


def test_a_left_over_of_a_cut_save_changes_nothing():
    state = State("cut.json")
    state.floor = "1.0.0"
    state.save()
    _write("cut.json.new", '{"floor": "9.9')
    assert State("cut.json").floor == "1.0.0"
    state.floor = "1.0.1"
    state.save()
    assert State("cut.json").floor == "1.0.1"
