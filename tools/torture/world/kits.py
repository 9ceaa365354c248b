"""What cases begin with: a provisioned flash, two images, an offer."""

import json

import flash
import panel


class Kit:
    """folder: as kit.py made it on the host."""

    def __init__(self, folder):
        self.old = _read(folder + "/old.img")
        self.new = _read(folder + "/new.img")
        self._flash = _read(folder + "/board/flash.bin")
        self.facts = json.loads(_read(folder + "/board/board.json"))
        self.mode = self.facts["boot_mode"]
        self.offer = json.loads(_read(folder + "/offer.json"))
        self.version = self.offer["version"]
        self._memory = bytearray(len(self._flash))
        self._panel = bytearray(4 * panel.WORDS)

    def begin(self):
        self._memory[:] = self._flash
        self._panel[:] = bytes(len(self._panel))
        flash.attach(self._memory)
        panel.attach(self._panel)


def _read(path):
    with open(path, "rb") as file:
        return file.read()
