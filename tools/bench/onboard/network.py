"""A station that is online as soon as it is asked: the air is not what the bench measures."""

STA_IF = 0


class WLAN:
    def __init__(self, interface):
        self._is_up = False

    def active(self, on):
        return on

    def connect(self, name, password):
        self._is_up = True

    def disconnect(self):
        self._is_up = False

    def isconnected(self):
        return self._is_up

    def ifconfig(self):
        return ("10.17.1.111", "255.255.255.0", "10.17.1.1", "10.17.1.1")

    def config(self, key):
        return b"\x28\x6d\xce\x32\xaf\x70"
