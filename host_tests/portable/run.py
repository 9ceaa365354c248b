"""Runs the tests of one portable file inside MicroPython: one line a test, a count, exit 1 on failure.

usage: run.py MODULE   (test_version); the folder of device/, this one, and the shims stand in the path
"""

import gc
import sys


def main(name):
    if sys.implementation.name != "micropython":
        import board_imports

        board_imports.install()
    for shim in ("panel", "network", "boardsocket", "time"):
        __import__(shim)  # one by one: imports inside imports are deep for a 32-bit stack
    module = __import__(name)
    tests = sorted(key for key in dir(module) if key.startswith("test_"))
    failed = 0
    for test in tests:
        gc.collect()
        failed += not _passes(getattr(module, test), test)
    print("%d run, %d failed" % (len(tests), failed))
    sys.exit(1 if failed or not tests else 0)


def _passes(function, name):
    try:
        function()
    except Exception as error:
        print("FAILED " + name)
        sys.print_exception(error)
        return False
    print("passed " + name)
    return True


main(sys.argv[1])
