"""Plays a corpus inside MicroPython: two lines for each input, the outcome and the JSON object that was seen.

usage: replay.py CORPUS   where an input is a line `NAME LENGTH` and then so many bytes. A last line says by
how many bytes the heap has filled since the first inputs, which load and keep what is made once.
"""

import gc
import sys

for shim in ("sharedmemory", "network", "boardsocket", "time"):
    __import__(shim)  # one by one: imports inside imports are deep for a 32-bit stack

import jsonpart  # noqa: E402
import targets  # noqa: E402
import targets_keys  # noqa: E402, F401
import targets_link  # noqa: E402, F401
import targets_records  # noqa: E402, F401

_FIRST = 500


def main(path):
    number = before = 0
    with open(path, "rb") as corpus:
        while True:
            number += 1
            if number == _FIRST:
                gc.collect()
                before = gc.mem_alloc()
            name, _, length = corpus.readline().decode().partition(" ")
            if not name:
                break
            _play(name, corpus.read(int(length)))
    gc.collect()
    print("kept %d" % (gc.mem_alloc() - before))


def _play(name, raw):
    part = jsonpart.find(name, raw)
    seen = targets.json_object(part) if part is not None else None
    print(targets.outcome(name, raw))
    if seen is None:
        print("-")
    else:
        jsonpart.dump(seen, sys.stdout.write)
        print()


main(sys.argv[1])
