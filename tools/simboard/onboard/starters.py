"""boot.py and main.py, as MicroPython's pyexec.c and the ports' main.c run them: what is in the firmware
comes before the file of that name, and after a boot.py that fails there is no main.py.
"""

import builtins
import os

import files

try:
    execute = execfile
except NameError:

    def execute(path, names):
        with open(path) as file:
            exec(compile(file.read(), path, "exec"), names)


def _find(name):
    for path in (files.firmware + "/" + name, name):
        try:
            os.stat(path)
            return path
        except OSError:
            pass
    return None


def execfile_of_board(name, names):
    """The builtin, for which what is in the firmware is a file here."""
    path = _find(name)
    if path is None:
        raise OSError(2, name)
    execute(path, names)


def install():
    builtins.execfile = execfile_of_board


def run(execute, is_raw=False):
    """execute(path) returns the exception that has ended it, None if there was none; so does this. is_raw:
    somebody at the prompt wants no main.py."""
    for name in ("boot.py",) if is_raw else ("boot.py", "main.py"):
        path = _find(name)
        error = execute(path) if path else None
        if error:
            return error
    return None
