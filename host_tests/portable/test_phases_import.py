"""device.phases: what cannot be loaded leaves nothing, and says what it was."""

from check import patched, raises, raises_code
from phasefolder import CALLS, SHARED, PhaseFolder, own_import

from device import errors, files, phases

PROVES = {errors.NO_INIT: "test_what_cannot_be_imported"}


def _cannot(source, expected=errors.OtaError):
    """The exception with which the import of such a module ends, alone and inside a phase that goes on."""
    sources = {"bad": "from . import late\nfrom .late import numbers\n%s\n" % source, "late": SHARED}
    sources["one"] = CALLS
    with PhaseFolder(sources) as folder:
        raises(expected, list, phases.steps("bad", "use"))
        assert folder.loaded() == ""
        with patched(files, "is_broken", False):
            nested = phases.call("one", "use", raises, expected, phases.call, "bad", "use")
        assert folder.loaded() == "" and type(nested) is expected
        error = raises(expected, phases.call, "bad", "use")
    return error


def test_what_cannot_be_imported():
    for source in (
        "from . import nowhere", "from .late import nothing", "import no_such_module", "raise ValueError",
        "1 / 0", "def use(:", "use = nothing", "raise OSError(2, 'gone')", "raise OSError(84, 'damaged')",
    ):  # fmt: skip
        error = _cannot(source)
        assert error.code == errors.NO_INIT and "device.bad" in error.detail, source
        assert not files.is_broken, source


def test_a_module_that_is_not_there_or_damaged():
    with PhaseFolder({}) as folder:
        error = raises_code(errors.NO_INIT, phases.call, "nowhere", "use")
        assert "device.nowhere" in error.detail
        for data in (b"", b"M", b"M\x00\x00\x00", b"not a module of bytecode"):
            with open(folder.path + "/damaged.mpy", "wb") as file:
                file.write(data)
            raises_code(errors.NO_INIT, phases.call, "damaged", "use")
        assert not files.is_broken


def test_no_memory_passes_and_is_told_from_a_bad_module():
    _cannot("raise MemoryError", MemoryError)


def test_what_stops_a_program_passes():
    _cannot("raise KeyboardInterrupt", KeyboardInterrupt)
    _cannot("raise SystemExit", SystemExit)


def test_an_error_of_the_flash_is_noted():
    sources = {"bad": "raise OSError(5, 'flash')\n", "one": CALLS}
    with PhaseFolder(sources), patched(files, "is_broken", False):
        raises_code(errors.NO_INIT, phases.call, "bad", "use")
        assert files.is_broken
        raises_code(errors.FLASH, phases.call, "one", "use", int)


def test_nothing_is_loaded_from_a_broken_file_system():
    with PhaseFolder({"one": CALLS}) as folder:
        with patched(files, "is_broken", True):
            raises_code(errors.FLASH, phases.call, "one", "use", int)
            raises_code(errors.FLASH, list, phases.steps("one", "use", int))
        notes = []

        def nested():
            with patched(files, "is_broken", True):
                raises_code(errors.FLASH, phases.call, "one", "use", int)
            notes.append(folder.loaded())

        phases.call("one", "use", nested)
        assert notes == ["one"]


def test_firmware_and_romfs_cannot_break():
    with PhaseFolder({"one": CALLS}, own=["one"]) as folder:
        assert phases.path() == folder.path
        own_import("one")  # nothing of ours lies there
        for path in (".frozen/device", "/rom/device", "/rom/lib/device"):
            folder.move(path)
            assert phases.path() is None
            with patched(files, "is_broken", True):
                assert phases.call("one", "use", abs, -5) == 5
        for path in ("device", "lib/device", "/lib/device", "/flash/rom/device"):
            folder.move(path)
            assert phases.path() == path
