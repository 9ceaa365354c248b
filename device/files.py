"""The only module that opens files; after an error of the flash it opens none until the restart.

MicroPython lets such an error out in the middle of LittleFS's own bookkeeping, and to go on
with that, or only to close the file, can spoil other files. What lies in the flash is whole.
"""

import os

from micropython import const

from . import errors

# Errors that say nothing about the flash: ENOENT, EACCES, EEXIST, ENOTDIR, EISDIR, EFBIG, ENOSPC, EROFS, what
# LittleFS says where there is no room for a new name (36), and of a damaged file (84).
_HARMLESS = (2, 13, 17, 20, 21, 27, 28, 30, 36, 84)
_EIO = const(5)
_EFBIG = const(27)
_MAX_SIZE = 16384  # bytes: more than any file of ours, less than any heap

is_broken = False
_file = None  # the one in use; a broken one stays here, or the garbage collector would close it


def read(path, limit=_MAX_SIZE):
    """The bytes of a file. Raises OSError, for one of more than limit bytes too."""
    return _call(_read, path, limit)


def read_required(path):
    """The same, whole; raises OtaError(NO_INIT) naming the file if it cannot be read."""
    try:
        return read(path)
    except OSError:
        raise errors.OtaError(errors.NO_INIT, "cannot read " + path)


def write(path, data):
    """data: bytes, or a function that writes text into the file that it is given. Raises OSError."""
    _call(_write, path, data)


def replace(path, data):
    """The same, and the file has either its old content or the new one, whenever the power goes."""
    _call(_write, path + ".new", data)
    rename(path + ".new", path)


def rename(path, new):
    """Raises OSError."""
    _call(os.rename, path, new)


def remove(path):
    """Raises OSError."""
    _call(os.remove, path)


def _read(path, limit):
    global _file
    size = os.stat(path)[6]
    if size > limit:
        raise OSError(_EFBIG, "file too long")
    _file = open(path, "rb")
    data = _file.read(size)
    _file.close()
    return data


def _write(path, data):
    global _file
    if callable(data):
        _file = open(path, "w")
        try:
            data(_file)
        except MemoryError:
            _file.close()  # or the garbage collector would, when the name is another file's
            raise
    else:
        _file = open(path, "wb")
        _file.write(data)
    _file.close()


def note(error):
    """An exception of whatever has used the file system: was it the flash's?"""
    global is_broken
    is_broken = is_broken or isinstance(error, OSError) and error.args[0] not in _HARMLESS


def _call(function, *arguments):
    if is_broken:
        raise OSError(_EIO, "no more until the restart")
    try:
        return function(*arguments)
    except OSError as error:
        note(error)
        if _file and not is_broken:
            _file.close()
        raise
