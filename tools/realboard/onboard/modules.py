import os
import sys


def places(name):
    """The entries of sys.path that hold this module, in the order in which it is looked for."""
    found = []
    path = name.replace(".", "/")
    for folder in sys.path:
        if folder == ".frozen":
            if _is_frozen(name):
                found.append(folder)
            continue
        for ending in (".py", ".mpy", "/__init__.py", "/__init__.mpy"):
            if _is_there((folder + "/" if folder else "") + path + ending):
                found.append(folder)
                break
    return found


def is_before_lib(name):
    """In the firmware, say; not in the root of the file system."""
    order = list(sys.path) + ["/lib"]
    return any(folder and order.index(folder) < order.index("/lib") for folder in places(name))


def has_module(name):
    try:
        __import__(name)
        return True
    except ImportError:
        return False


def _is_there(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def _is_frozen(name):
    """The firmware's files cannot be listed: only an import shows it."""
    kept_path = sys.path[:]
    top = name.split(".")[0]
    kept = {key: sys.modules[key] for key in list(sys.modules) if key.split(".")[0] == top}
    for key in kept:
        del sys.modules[key]
    sys.path[:] = [".frozen"]
    try:
        return has_module(name)
    finally:
        sys.path[:] = kept_path
        sys.modules.update(kept)
