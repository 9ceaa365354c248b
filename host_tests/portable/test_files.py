"""device.files: whole files, and nothing more after an error of the flash."""

import os

from check import patched, raises

from device import files


def _fails(number):
    def fail(*_):
        raise OSError(number, "flash")

    return fail


def test_what_is_written_is_read():
    files.write("plain.bin", b"abc")
    assert files.read("plain.bin") == b"abc" == files.read("plain.bin", 3)
    raises(OSError, files.read, "plain.bin", 2)
    assert not files.is_broken
    files.replace("plain.bin", b"d")
    assert files.read("plain.bin") == b"d" and "plain.bin.new" not in os.listdir()


def test_a_function_writes_text():
    files.replace("text.txt", lambda file: file.write("a\u4e94"))
    assert files.read("text.txt") == b"a\xe4\xba\x94"


def test_no_memory_in_the_middle_leaves_the_old_file_and_none_open():
    opened = []

    def write(file):
        opened.append(file)
        file.write("{")
        raise MemoryError

    files.replace("full.json", b"{}")
    raises(MemoryError, files.replace, "full.json", write)
    raises((OSError, ValueError), opened[0].write, "}")
    assert files.read("full.json") == b"{}" and not files.is_broken


def test_what_somebody_else_met_is_noted():
    for error, is_broken in (
        (OSError(5, "flash"), True), (OSError(-262), True), (OSError(2), False), (OSError(28), False),
        (OSError(36), False), (OSError(84), False), (ValueError(5), False), (MemoryError(), False),
    ):  # fmt: skip
        with patched(files, "is_broken", False):
            files.note(error)
            assert files.is_broken is is_broken, error
            files.note(OSError(5))
            files.note(error)
            assert files.is_broken, "until the restart"


def test_a_file_that_is_not_there_is_no_accident():
    raises(OSError, files.read, "nowhere.bin")
    raises(OSError, files.write, "no/such/folder/x", b"")
    assert not files.is_broken


def test_a_full_file_system_is_no_accident():
    with patched(files, "_write", _fails(28)):
        raises(OSError, files.write, "x", b"")
    assert not files.is_broken


def test_what_may_not_be_written_is_no_accident():
    """EACCES, EROFS: a file in a ROMFS."""
    for number in (13, 30):
        with patched(files, "_write", _fails(number)):
            raises(OSError, files.replace, "x", b"")
        assert not files.is_broken


def test_a_damaged_file_is_no_accident():
    """LittleFS says so each time: a board that restarted for it would do nothing else."""
    with patched(files, "_read", _fails(84)):
        raises(OSError, files.read, "x")
    assert not files.is_broken


def test_after_an_error_of_the_flash_nothing_goes_through():
    files.write("kept.bin", b"abc")
    for number in (5, -262, 110):  # EIO, esp_err_t, whatever a driver raises
        with patched(files, "is_broken", False):
            with patched(files, "_read", _fails(number)):
                raises(OSError, files.read, "kept.bin")
            assert files.is_broken
            raises(OSError, files.write, "kept.bin", b"")
            raises(OSError, files.replace, "kept.bin", b"")
            raises(OSError, files.read, "kept.bin")
    assert files.read("kept.bin") == b"abc"
