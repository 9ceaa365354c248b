"""device.cause: a line that survives a restart, whatever was noted and whatever the file holds."""

import os

from check import patched

from device import cause, files

_PATH = "ota_cause"


def _fails(*_):
    raise OSError(28, "full")


def test_a_cause_is_told_once():
    cause.note("")
    assert cause.take() == ""
    cause.note("ImportError: no module named 'x'")
    assert cause.take() == "ImportError: no module named 'x'"
    assert cause.take() == ""


def test_a_start_leaves_alone_what_was_noted():
    for _ in range(2):
        cause.reserve()
        assert os.stat(_PATH)[6] == 120
    cause.note("noted")
    cause.reserve()
    assert cause.take() == "noted"


def test_the_file_always_has_the_size_that_a_full_file_system_takes():
    for text in ("", "a", "b" * 120, "c" * 5000):
        cause.note(text)
        assert os.stat(_PATH)[6] == 120, len(text)
        assert cause.take() == text[:120]
        assert os.stat(_PATH)[6] == 120


def test_what_is_no_text_of_a_line_is_replaced():
    cause.note("a\nb\x00\u2603\U0001f4a9")
    assert cause.take() == "a?b???"


def test_no_file_and_a_damaged_one_are_no_cause():
    cause.reserve()
    os.remove(_PATH)
    assert cause.take() == ""
    for content in (b"\xff" * 120, b"", b"x" * 121):
        files.write(_PATH, content)
        assert cause.take() == ""
    files.write(_PATH, b"short\xc3")
    assert cause.take() == "short"
    os.remove(_PATH)


def test_what_cannot_be_written_is_not_told():
    with patched(files, "write", _fails):
        cause.reserve()
        cause.note("lost")
    assert cause.take() == ""
