"""What cases begin with: a provisioned flash, images, and an offer of each."""

import json
import os

import facts
import ffi
import flash
import sharedmemory
import uctypes

_allocate = ffi.open("libc.so.6").func("p", "malloc", "I")


class Fixture:
    """folder: made by ../fixture.py. images: {name: bytes}; offers: {name: dict}; old: what runs."""

    def __init__(self, folder):
        self.images = {}
        self.offers = {}
        for name in sorted(os.listdir(folder)):
            stem, _, form = name.rpartition(".")
            if form == "img":
                self.images[stem] = _read(folder + "/" + name)
            elif form == "json":
                self.offers[stem] = json.loads(bytes(_read(folder + "/" + name)))
        self.old = self.images["old"]
        self._flash = _read(folder + "/board/flash.bin")
        self.facts = json.loads(bytes(_read(folder + "/board/" + facts.NAME)))
        self.mode = self.facts["boot_mode"]
        self._memory = _outside(len(self._flash))
        self._shared_memory = _outside(4 * sharedmemory.WORDS)

    def begin(self):
        self._memory[:] = self._flash
        self._shared_memory[:] = bytes(len(self._shared_memory))
        flash.attach(self._memory)
        sharedmemory.attach(self._shared_memory)


class Firmware:
    """What device/board.py takes for `sys`: the firmware of an ESP32 says which chip it is for."""

    class implementation:
        _machine = "Generic ESP32 module with ESP32"


def _read(path):
    """As a bytearray outside the heap."""
    data = _outside(os.stat(path)[6])
    with open(path, "rb") as file:
        file.readinto(data)
    return data


def _outside(size):
    """A bytearray that the garbage collector does not look through, at each of its rounds, for references."""
    return uctypes.bytearray_at(_allocate(size), size)
