"""device.guard: a line that survives a restart, whatever was noted and whatever the file holds."""

import os

from check import patched

from device import files, guard

_PATH = "ota_cause"


def _fails(*_):
    raise OSError(28, "full")


def test_a_cause_is_told_once():
    guard.note_cause("")
    assert guard.take_cause() == ""
    guard.note_cause("ImportError: no module named 'x'")
    assert guard.take_cause() == "ImportError: no module named 'x'"
    assert guard.take_cause() == ""


def test_a_start_leaves_alone_what_was_noted():
    for _ in range(2):
        guard.reserve_cause()
        assert os.stat(_PATH)[6] == 120
    guard.note_cause("noted")
    guard.reserve_cause()
    assert guard.take_cause() == "noted"


def test_the_file_always_has_the_size_that_a_full_file_system_takes():
    for text in ("", "a", "b" * 120, "c" * 5000):
        guard.note_cause(text)
        assert os.stat(_PATH)[6] == 120, len(text)
        assert guard.take_cause() == text[:120]
        assert os.stat(_PATH)[6] == 120


def test_what_is_no_text_of_a_line_is_replaced():
    guard.note_cause("a\nb\x00\u2603\U0001f4a9")
    assert guard.take_cause() == "a?b???"


def test_no_file_and_a_damaged_one_are_no_cause():
    guard.reserve_cause()
    os.remove(_PATH)
    assert guard.take_cause() == ""
    for content in (b"\xff" * 120, b"", b"x" * 121):
        files.write(_PATH, content)
        assert guard.take_cause() == ""
    files.write(_PATH, b"short\xc3")
    assert guard.take_cause() == "short"
    os.remove(_PATH)


def test_what_cannot_be_written_is_not_told():
    with patched(files, "write", _fails):
        guard.reserve_cause()
        guard.note_cause("lost")
    assert guard.take_cause() == ""
