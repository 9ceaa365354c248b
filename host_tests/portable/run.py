"""Runs the tests of one portable file inside MicroPython: one line a test, a count, exit 1 on failure.

usage: run.py MODULE   (test_version); the folder of device/, this one, and the shims stand in the path
"""

import gc
import sys

IMPORT_GARBAGE = 4096  # bytes: collected this often, it leaves no holes between what stays


def main(name):
    """Generator: a step is a test. Ends in sys.exit()."""
    if sys.implementation.name != "micropython":
        import board_imports

        board_imports.install()
    if sys.platform == "webassembly":
        import boardfiles

        boardfiles.install()
    threshold = _collect_each(IMPORT_GARBAGE)
    for shim in ("sharedmemory", "network", "boardsocket", "esp32", "time"):
        __import__(shim)  # one by one: imports inside imports are deep for a 32-bit stack
    module = __import__(name)
    _collect_each(threshold)
    tests = sorted(key for key in dir(module) if key.startswith("test_"))
    impossible = getattr(module, "NEED_SOCKETS", ()) if sys.platform == "webassembly" else ()
    failed = 0
    for test in tests:
        gc.collect()
        yield
        if test in impossible:
            continue
        failed += not _passes(getattr(module, test), test)
    counts = "%d run, %d failed" % (len(tests) - len(impossible), failed)
    print(counts + (", %d need sockets" % len(impossible) if impossible else ""))
    sys.exit(1 if failed or not tests else 0)


def _collect_each(count):
    """Collect garbage after so many bytes, -1 = when memory is full. Returns what was set before."""
    if sys.implementation.name != "micropython":
        return -1  # CPython's counts objects
    before = gc.threshold()
    gc.threshold(count)
    return before


def _passes(function, name):
    try:
        function()
    except Exception as error:
        print("FAILED " + name)
        sys.print_exception(error)
        return False
    print("passed " + name)
    return True


steps = main(sys.argv[1])  # a test each
if sys.platform != "webassembly":  # there garbage is collected between the steps, which JavaScript takes
    for _ in steps:
        pass
