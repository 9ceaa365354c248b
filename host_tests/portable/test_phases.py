"""device.phases: of what is over nothing is left, however it ended."""

import gc
import sys

from check import MICROPYTHON, patched, raises, raises_code, run
from phasefolder import CALLS, SHARED, PhaseFolder, own_import

from device import errors, files, phases, start

LAZY = """
def use(function):
    from . import shared
    return function()

def steps(function):
    yield function()
    from . import shared
    yield function()
"""
STEPS = """
def use(*values):
    for value in values:
        yield value
    return "end"

def guarded(notes):
    try:
        yield "begun"
        yield "not reached"
    finally:
        from . import shared
        notes.append("closed")

def fail():
    yield 1
    raise ValueError("in the middle")
"""


def test_what_a_function_returns_and_nothing_else_is_left():
    with PhaseFolder({"one": CALLS}) as folder:
        assert phases.call("one", "use", max, 3, 7) == 7
        assert phases.call("one", "use", folder.loaded) == "one"
        assert folder.loaded() == ""


def test_each_time_the_module_is_another_one():
    with PhaseFolder({"one": "count = []\n\ndef use():\n    count.append(1)\n    return len(count)\n"}):
        assert [phases.call("one", "use") for _ in range(3)] == [1, 1, 1]


def test_a_phase_that_an_application_has_in_memory_stays_open_over_others():
    source = "def use(function):\n    function()\n    from . import shared\n    function()\n"
    seen = []

    def nested():
        seen.append(phases.call("two", "use", lambda: len(phases._depths)))
        seen.append(len(phases._depths))

    with PhaseFolder({"one": source, "two": CALLS, "shared": SHARED}, own=("one",)) as folder:
        __import__("device.one")
        phases.call("one", "use", nested)
        assert seen == [2, 1] * 2 and phases._depths == [] and folder.loaded() == "one"


def test_what_a_phase_imports_goes_with_it():
    for source in ("from . import shared\nfrom .other import numbers\n" + CALLS, LAZY):
        with PhaseFolder({"one": source, "shared": SHARED, "other": SHARED}) as folder:
            seen = phases.call("one", "use", folder.loaded)
            assert seen in ("one other shared", "one shared"), seen
            assert folder.loaded() == ""


def test_a_generator_has_its_module_until_its_end():
    with PhaseFolder({"one": LAZY, "shared": SHARED}) as folder:
        steps = phases.steps("one", "steps", folder.loaded)
        assert folder.loaded() == "", "not before its first step"
        assert list(steps) == ["one", "one shared"]
        assert folder.loaded() == ""


def test_what_a_generator_yields_and_returns():
    with PhaseFolder({"one": STEPS}):
        seen = []
        assert run(phases.steps("one", "use", 5, None, 7), seen.append) == "end"
        assert seen == [5, None, 7]


def test_an_exception_passes_as_it_is():
    def fail():
        raise problem

    with PhaseFolder({"one": LAZY, "two": STEPS, "shared": SHARED}):
        for problem in (ValueError("x"), OSError(5), MemoryError(), KeyboardInterrupt(), errors.OtaError(-2)):
            assert raises(type(problem), phases.call, "one", "use", fail) is problem
            assert raises(type(problem), list, phases.steps("one", "steps", fail)) is problem
        assert not files.is_broken
        steps = phases.steps("two", "fail")
        assert next(steps) == 1
        raises(ValueError, next, steps)
        raises(StopIteration, next, steps)


def test_a_function_that_is_not_there():
    with PhaseFolder({"one": CALLS}):
        raises(AttributeError, phases.call, "one", "nothing")
        raises(AttributeError, list, phases.steps("one", "nothing"))
        raises(TypeError, phases.call, "one", "use")


def test_a_generator_that_is_closed_ends_while_its_module_is_there():
    with PhaseFolder({"one": STEPS, "shared": SHARED}):
        notes = []
        steps = phases.steps("one", "guarded", notes)
        assert next(steps) == "begun" and notes == []
        steps.close()
        assert notes == ["closed"]
        phases.steps("one", "guarded", notes).close()  # not begun: nothing to end
        assert notes == ["closed"]


def test_an_agent_that_was_given_up_in_the_middle():
    """MicroPython closes no generator that is dropped."""
    with PhaseFolder({"one": LAZY, "two": STEPS, "shared": SHARED}) as folder:
        left = phases.steps("one", "steps", lambda: next(inner))
        inner = phases.steps("two", "use", 1, 2)
        assert next(left) == 1
        assert next(left) == 2 and folder.loaded() == "one shared two"
        phases.reset()
        assert folder.loaded() == ""
        assert phases.call("one", "use", folder.loaded) == "one shared"
        phases.reset()
        inner.close()  # CPython does it when it likes
        left.close()


def test_a_phase_in_a_phase():
    """What the outer one has imported until then stays, and what the inner one alone has imported goes."""
    sources = {"one": "from . import early\n" + LAZY, "two": "from . import early, late\n" + CALLS}
    sources.update({"early": SHARED, "shared": SHARED, "late": SHARED})
    with PhaseFolder(sources) as folder:
        seen = []

        def nested():
            seen.append(folder.loaded())
            seen.append(phases.call("two", "use", folder.loaded))
            return folder.loaded()

        before = "early one shared"
        assert phases.call("one", "use", nested) == before
        assert seen == [before, "early late one shared two"]
        assert list(phases.steps("one", "steps", nested)) == ["early one", before]


def test_a_phase_in_itself_is_the_same_module():
    with PhaseFolder({"one": "numbers = []\n" + CALLS}) as folder:
        deeper = phases.call("one", "use", phases.call, "one", "use", folder.loaded)
        assert deeper == "one"
        seen = []
        phases.call("one", "use", lambda: seen.append(phases.call("one", "use", folder.loaded)))
        assert seen == ["one"]
        after = phases.call("one", "use", lambda: [phases.call("one", "use", int), folder.loaded()])
        assert after == [0, "one"]


def test_an_inner_phase_that_fails_takes_only_its_own():
    bad = "from . import late\nraise ValueError\n"
    with PhaseFolder({"one": LAZY, "bad": bad, "late": SHARED, "shared": SHARED}) as folder:

        def nested():
            raises_code(errors.NO_INIT, phases.call, "bad", "use")
            return folder.loaded()

        assert phases.call("one", "use", nested) == "one shared"


def test_what_was_there_before_is_never_forgotten():
    """An application's own import, or a test's: phases use that very module."""
    with PhaseFolder({"one": LAZY, "shared": SHARED}, own=("one", "shared")) as folder:
        own = own_import("one")
        assert phases.call("one", "use", folder.loaded) == "one shared"
        assert folder.loaded() == "one"
        with patched(own, "use", lambda function: "patched"):
            assert phases.call("one", "use", folder.loaded) == "patched"
        shared = own_import("shared")
        shared.numbers.append(5)
        assert list(phases.steps("one", "steps", folder.loaded)) == ["one shared", "one shared"]
        phases.reset()
        assert own_import("one") is own and own_import("shared").numbers == [5]


def test_what_stays_is_what_stood_there_before_the_outermost_phase():
    """An application's import from within a phase, by a hook, is gone with it; what it holds works on."""
    with PhaseFolder({"one": CALLS, "two": CALLS}) as folder:
        own = phases.call("one", "use", own_import, "two")
        assert folder.loaded() == "" and own.use(abs, -1) == 1
        assert phases.call("two", "use", folder.loaded) == "two"


def test_nothing_is_left_in_memory():
    """Not a block of the heap a load, whatever its end."""
    sources = {"one": LAZY, "two": STEPS, "shared": SHARED, "bad": "from . import shared\nraise ValueError\n"}
    with PhaseFolder(sources):
        _visit()
        before = _allocated()
        loads = sum(_visit() for _ in range(20))
        assert _allocated() - before < 16 * loads, (before, _allocated())


def _visit():
    """Returns how many modules were loaded."""
    phases.call("one", "use", int)
    list(phases.steps("one", "steps", int))
    phases.steps("two", "guarded", []).close()
    steps = phases.steps("two", "use", 1)
    next(steps)
    phases.reset()
    raises_code(errors.NO_INIT, phases.call, "bad", "use")
    return 4


def test_each_module_of_the_package_goes_without_a_trace():
    names = (start._MODULES + " texts_zh wm").split()
    with PhaseFolder({}) as folder:
        folder.move(folder.real_path)
        _load_each(names)  # the names in it stay
        before = _allocated()
        _load_each(names)
        assert _allocated() - before < 16 * len(names), (before, _allocated())


def _load_each(names):
    for name in names:
        phases._forget(phases._load(name))


def _allocated():
    """Bytes. Only MicroPython counts them, and its WebAssembly build collects nothing inside a test."""
    gc.collect()
    return gc.mem_alloc() if MICROPYTHON and sys.platform != "webassembly" else 0
