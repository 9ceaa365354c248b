"""Reads a ROMFS image (MicroPython's read-only file system) and unpacks it: CPython cannot mount it.

Records are (kind, length, payload) with kind and length as 7-bit groups, high first. Kinds: 1 padding,
2 data verbatim, 3 data by pointer, 4 directory, 5 file.
"""

import os
import shutil

_PADDING, _VERBATIM, _POINTER, _DIRECTORY, _FILE = 1, 2, 3, 4, 5


def unpack(image, target):
    """Write every file of the image below the folder target, which is emptied first."""
    shutil.rmtree(target, ignore_errors=True)
    position, length = _header(image)
    _unpack_folder(image, position, position + length, target)


def _header(image):
    _, position = _number(image, 0)  # the magic is the record kind of the outermost record
    length, position = _number(image, position)
    return position, length


def _unpack_folder(image, position, end, target):
    os.makedirs(target, exist_ok=True)
    for kind, start, stop in _records(image, position, end):
        if kind in (_DIRECTORY, _FILE):
            size, start = _number(image, start)
            path = os.path.join(target, image[start : start + size].decode())
            if kind == _DIRECTORY:
                _unpack_folder(image, start + size, stop, path)
            else:
                with open(path, "wb") as file:
                    file.write(_content(image, start + size, stop))


def _content(image, position, end):
    for kind, start, stop in _records(image, position, end):
        if kind == _VERBATIM:
            return image[start:stop]
        if kind == _POINTER:
            size, start = _number(image, start)
            offset, _ = _number(image, start)
            return image[offset : offset + size]
    return b""


def _records(image, position, end):
    while position < end:
        kind, position = _number(image, position)
        length, position = _number(image, position)
        yield kind, position, position + length
        position += length


def _number(image, position):
    value = 0
    while True:
        byte = image[position]
        position += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, position
