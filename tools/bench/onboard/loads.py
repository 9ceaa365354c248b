"""The agent with a watch on every import of the package's .mpy files, which lie in ./device.

usage: loads. At the reset it prints how many phases were loaded ("phases"), the bytes of .mpy that were read
("read"), and the most bytes of .mpy in memory together ("together"), with the names of the modules.
"""

import builtins
import gc
import os
import sys

import esp32

gc.threshold(4096)  # as main.py does
esp32.start()

_PACKAGE = "device"
_import = builtins.__import__
_depth = _phases = _read = _together = 0
_names = []  # of the modules in memory when they were the most


def _loaded():
    return [name for name in sys.modules if name.split(".")[0] == _PACKAGE]


def _size(names):
    """Bytes of .mpy."""
    files = (name.replace(".", "/") if "." in name else name + "/__init__" for name in names)
    return sum(os.stat(file + ".mpy")[6] for file in files)


def _watching_import(name, *rest):
    """Modules are forgotten between imports, never inside one: what is new after the outermost was read."""
    global _depth, _phases, _read, _together, _names
    if not rest and name not in sys.modules:  # no statement, so phases.py
        _phases += 1
    if rest and rest[3]:  # relative to the caller, whom MicroPython would take for this module
        name, rest = (_PACKAGE + "." + name if name else _PACKAGE), (None, None, rest[2], 0)
    before = _loaded()
    _depth += 1
    try:
        return _import(name, *rest)
    finally:
        _depth -= 1
        names = _loaded()
        if _depth == 0:
            _read += _size([each for each in names if each not in before])
        if len(names) > len(before) and _size(names) > _together:
            _together, _names = _size(names), names


builtins.__import__ = _watching_import
try:
    from device import agent

    agent.main("ota.json")
finally:
    print("phases", _phases)
    print("read", _read)
    print("together", _together, *_names)
