"""What `sys` says on the board: an ESP32, and any version of MicroPython that the host wants."""

import sys as _host

import facts


class BoardSys:
    def __init__(self):
        self.platform = "rp2" if facts.get("boot_mode") == "generic" else "esp32"
        self.implementation = _Implementation()

    def __getattr__(self, name):
        return getattr(_host, name)


class _Implementation:
    """Attributes and, as in old MicroPython, a tuple."""

    name = "micropython"

    def __init__(self):
        self.version = tuple(facts.get("version") or _host.implementation[1])
        self._machine = facts.get("machine") or "Generic ESP32 module with ESP32"
        self._mpy = _host.implementation._mpy

    def __getitem__(self, index):
        return (self.name, self.version)[index]
