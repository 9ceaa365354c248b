"""Modules of a test in the place of the package's files, and the proof that none is left of them."""

import os
import sys

import device
from device import phases

_PREFIX = device.__name__ + "."
_count = 0

CALLS = "def use(function, *arguments):\n    return function(*arguments)\n"
SHARED = "numbers = []\n"


class PhaseFolder:
    """Context: the package's folder has these modules, {name: source}; what is loaded already stays. Unless
    an exception ends it, sys.modules and the package's attributes must be what they were.

    own: the modules that the test imports itself. path: of the folder, absolute; real_path: of the package.
    """

    def __init__(self, sources, own=()):
        self._sources = sources
        self._own = own

    def __enter__(self):
        global _count
        _count += 1  # another folder each time, because CPython remembers what was in one
        self.path = "%s/phases%d" % (os.getcwd().rstrip("/"), _count)
        os.mkdir(self.path)
        for name, source in self._sources.items():
            with open("%s/%s.py" % (self.path, name), "w") as file:
                file.write(source)
        self._before = _traces()
        path = device.__path__
        self.real_path = path if isinstance(path, str) else path[0]
        self.move(self.path)
        return self

    def __exit__(self, kind, *_):
        self.move(self.real_path)
        for name in self._own:
            del sys.modules[_PREFIX + name]
            delattr(device, name)
        now = _traces()
        changed = [name for name in now if self._before.get(name) is not now[name]]
        changed += [name for name in self._before if name not in now]
        opened, phases._depths[:] = list(phases._depths), []
        assert kind or not (changed or opened), (changed, opened)

    @staticmethod
    def move(path):
        """The package says that it lies there."""
        device.__path__ = path if isinstance(device.__path__, str) else [path]

    def loaded(self):
        """Which of the modules are in memory: their names, sorted, with a space between."""
        return " ".join(sorted(name for name in self._sources if _PREFIX + name in sys.modules))


def own_import(name):
    """As an application does it: `from device import name`."""
    __import__(_PREFIX + name)
    return sys.modules[_PREFIX + name]


def _traces():
    """{name: module or value} of sys.modules and of the package's attributes."""
    traces = {name: sys.modules[name] for name in sys.modules if name.startswith(_PREFIX)}
    for name in dir(device):
        if name != "__path__":
            traces[name] = getattr(device, name)
    return traces
