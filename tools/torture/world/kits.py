"""What cases begin with: a provisioned flash, images, and an offer of each."""

import json
import os

import facts
import ffi
import flash
import panel
import uctypes

_allocate = ffi.open("libc.so.6").func("p", "malloc", "I")


class Kit:
    """folder: as kit.py made it on the host. images: {name: bytes}; offers: {name: dict}; old: what runs."""

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
        self._panel = _outside(4 * panel.WORDS)

    def begin(self):
        self._memory[:] = self._flash
        self._panel[:] = bytes(len(self._panel))
        flash.attach(self._memory)
        panel.attach(self._panel)


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
