"""Lets device code run on CPython: its imports of `time`, `socket`, `select` and `tls` get the board's.

The standard library and every other package keep the real ones.
"""

import builtins
import sys

_BOARD_CODE = ("device", "umqtt", "main", "boot", "__main__")
_SHADOWED = {
    "time": "boardtime",
    "socket": "boardsocket",
    "usocket": "boardsocket",
    "select": "boardselect",
    "gc": "boardgc",
    "ubinascii": "binascii",
    "ustruct": "struct",
}

_real_import = builtins.__import__


def install():
    builtins.__import__ = _import
    if not hasattr(sys, "print_exception"):
        import traceback

        sys.print_exception = lambda error, *_: traceback.print_exception(error)


def _import(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__", "").split(".")[0]
    if level == 0 and name in _SHADOWED and importer in _BOARD_CODE:
        name = _SHADOWED[name]
    return _real_import(name, globals, locals, fromlist, level)
