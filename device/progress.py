"""How far an update is: the vendor's states in the log, the percentage in the log and on the wire."""

from micropython import const

from . import log

START = const(0)
CONNECTION_START = const(1)
CONNECTION_FAILED = const(2)
CONNECTED = const(3)
DOWNLOAD_START = const(4)
DOWNLOAD_FAILED = const(5)
DOWNLOADED = const(6)
UPGRADE_START = const(7)
UPGRADE_FAILED = const(8)


class Progress:
    """Of one update. size: bytes of the image; report(percent): called when the percentage moved."""

    def __init__(self, size, report):
        self._size = size
        self._report = report
        self._state = START
        self.percent = 0

    def enter(self, state):
        self._state = state
        log.debug("OTA progress:%d-%d%%" % (state, self.percent))

    def fail(self):
        if self._state >= UPGRADE_START:
            self.enter(UPGRADE_FAILED)
        else:
            self.enter(DOWNLOAD_FAILED if self._state >= CONNECTED else CONNECTION_FAILED)

    def receive(self):
        """The first byte of an answer is about to come."""
        self.enter(DOWNLOAD_START)
        self._report(self.percent)

    def move(self, position):
        """position: bytes in place. Allocates nothing while the percentage stays."""
        percent = position * 100 // self._size
        if percent != self.percent:
            self.percent = percent
            self.receive()
