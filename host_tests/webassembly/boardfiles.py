"""The file system of MicroPython's WebAssembly build with the error numbers of boards: its own are WASI's."""

import vfs

_NUMBERS = {44: 2, 20: 17, 31: 21, 54: 20, 2: 13, 28: 22, 51: 28, 29: 5, 55: 39}
_CALLS = "open remove chdir getcwd ilistdir mkdir rmdir stat statvfs"


def _translated(function):
    def call(*arguments):
        try:
            return function(*arguments)
        except OSError as error:
            raise OSError(_NUMBERS.get(error.args[0], error.args[0]))

    return call


class BoardFiles:
    def __init__(self):
        files = vfs.VfsPosix()
        for name in _CALLS.split():
            setattr(self, name, _translated(getattr(files, name)))
        self._rename = _translated(files.rename)

    def rename(self, old, new):
        """1.24's keeps a file that the new name had, and finds that one."""
        try:
            self.remove(new)
        except OSError:
            pass
        self._rename(old, new)

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass


def install():
    vfs.umount("/")
    vfs.mount(BoardFiles(), "/")
