"""device.record: what survives a reboot is written whole, with a CRC, also where the file system is full."""

import json
import os

from check import patched, raises_code, recorded_log
from fakeagent import FakeAgent

from device import errors, files, record, state

STATE = {"floor": "1.0.0", "refused": [{"digest": "ab"}], "slots": {}, "format": 1}


def _fresh(*states):
    """A folder in which these have been saved, one after the other."""
    for name in ("r.json", "r.json.new", "r.json.old", "ota_floor", "ota_reserve"):
        if name in os.listdir():
            os.remove(name)
    for each in states:
        record.save(each, "r.json")


def _loaded():
    with recorded_log():
        return state.load("r.json")


def test_what_is_saved_is_loaded_and_is_json_for_images_before_this_one():
    _fresh(STATE)
    assert json.loads(files.read("r.json")) == STATE
    assert _loaded()["floor"] == "1.0.0"


def test_there_are_two_of_it():
    _fresh({"format": 1}, STATE)
    assert files.read("r.json.old") == files.read("r.json") and json.loads(files.read("r.json")) == STATE
    assert "r.json.new" not in os.listdir()


def test_whatever_bit_is_flipped_the_record_is_right():
    _fresh(STATE)
    whole = files.read("r.json")
    expected = _loaded()
    for bit in range(0, len(whole) * 8, 3):  # each bit of a byte in its turn
        damaged = bytearray(whole)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        files.write("r.json", damaged)
        assert _loaded() == expected, bit


def test_wherever_the_record_is_torn_it_is_right():
    _fresh(STATE)
    whole = files.read("r.json")
    expected = _loaded()
    for length in range(len(whole)):
        files.write("r.json", whole[:length])
        assert _loaded() == expected, length


def test_an_offer_that_is_over_is_in_no_copy():
    waiting = dict(STATE)
    waiting["waiting"] = {"https_url": "https://files/?token"}
    _fresh(waiting)
    assert b"token" in files.read("r.json")
    record.save(STATE, "r.json")
    assert b"token" not in files.read("r.json") + files.read("r.json.old")
    assert json.loads(files.read("r.json")) == json.loads(files.read("r.json.old")) == STATE


def test_a_record_that_is_deleted_is_gone():
    _fresh({"known_time": 1800000000}, STATE)
    os.remove("r.json")
    assert _loaded()["known_time"] == 0


def test_a_record_of_an_image_before_this_one_counts():
    """It has no CRC, and is newer than what is kept of ours."""
    _fresh(STATE)
    files.write("r.json", json.dumps({"floor": "1.0.5", "format": 1}).encode())
    assert _loaded()["floor"] == "1.0.5"


def test_a_rename_cut_in_the_middle():
    """On FAT, where what stood there is deleted first."""
    _fresh({"floor": "1.0.1"})
    os.rename("r.json", "r.json.new")
    assert _loaded()["floor"] == "1.0.1"


def test_where_there_is_no_room_for_the_copy_the_record_does_without():
    """And no old copy stays, which would bring back an offer that is over."""
    _fresh({"floor": "1.0.1"})
    real = files.write

    def write(path, data):
        if path == "r.json.old":
            real(path, b"half")
            raise OSError(28)
        real(path, data)

    with patched(files, "write", write):
        record.save({"floor": "1.0.2"}, "r.json")
    assert _loaded()["floor"] == "1.0.2" and "r.json.old" not in os.listdir()


# The minimum version


def test_the_floor_stays_where_the_record_is_deleted():
    _fresh(STATE)
    _loaded()
    os.remove("r.json")
    assert _loaded()["floor"] == "1.0.0"


def test_the_higher_floor_counts():
    for recorded, kept, expected in (
        ("1.0.0", "1.2.0", "1.2.0"), ("1.10.0", "1.9.0", "1.10.0"), (None, "1.0.0", "1.0.0"),
        (7, "1.0.0", "1.0.0"), ("1.0.0", None, "1.0.0"), (None, None, None),
    ):  # fmt: skip
        _fresh({"floor": recorded})
        if kept:
            record.keep_lowest(kept)
        assert _loaded()["floor"] == expected == state.kept_lowest(), (recorded, kept)


def test_a_floor_that_is_damaged_counts_for_nothing():
    record.keep_lowest("1.2.3")
    whole = files.read("ota_floor")
    for bit in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        files.write("ota_floor", damaged)
        assert state.kept_lowest() is None, bit
    for text in (b"", b"1.2.3", whole[:-1], whole + b"0", b"x" * 200):
        files.write("ota_floor", text)
        assert state.kept_lowest() is None, text


# A full file system


class _Full:
    """Each write of a file fails with this number while the file in reserve is there to be given up."""

    def __init__(self, number):
        self.number, self.real, self.tries = number, files.write, []

    def write(self, path, data):
        self.tries.append(path)
        if "ota_reserve" in os.listdir() or self.number is None:
            raise OSError(self.number)
        self.real(path, data)


def test_the_reserve_is_given_up_and_taken_back():
    for number in (28, 36):
        _fresh(STATE)
        record.take_reserve()
        assert os.stat("ota_reserve")[6] == 8192
        full = _Full(number)
        with patched(files, "write", full.write):
            record.save({"floor": "2.0.0"}, "r.json")
        assert full.tries == ["r.json.new", "r.json.new", "r.json.old", "ota_reserve"]
        assert json.loads(files.read("r.json")) == {"floor": "2.0.0"} and os.stat("ota_reserve")[6] == 8192


def test_without_a_reserve_the_error_says_how_much_is_free():
    for number in (28, 36):
        _fresh(STATE)
        with patched(files, "write", _fails(number)):
            error = raises_code(errors.FLASH, record.save, {}, "r.json")
        ((name, free),) = error.facts
        assert name == "free" and free > 0 and json.loads(files.read("r.json")) == STATE


def test_other_errors_are_no_reason_to_give_it_up():
    _fresh(STATE)
    record.take_reserve()
    with patched(files, "write", _fails(30)):
        assert raises_code(errors.FLASH, record.save, {}, "r.json").facts == ()
    assert "ota_reserve" in os.listdir()


def _fails(number):
    def write(*_):
        raise OSError(number, "no room")

    return write


def test_a_reserve_that_is_there_is_not_written_again():
    _fresh()
    record.take_reserve()
    with patched(files, "write", _fails(28)), recorded_log() as lines:
        record.take_reserve()
        assert lines == []
        os.remove("ota_reserve")
        record.take_reserve()
        assert len(lines) == 1
    files.write("ota_reserve", b"short")
    record.take_reserve()
    assert os.stat("ota_reserve")[6] == 8192


def test_an_agent_says_what_it_could_not_record():
    agent = FakeAgent("r.json")
    with patched(files, "write", _fails(28)):
        raises_code(errors.FLASH, agent.save_state)
