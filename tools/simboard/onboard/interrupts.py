"""^C on the simulated board never ends inside the file system, whose block device is Python here and C on a
board: the block is done to its end, and the interrupt comes with the next sleep."""

import boardtime

_is_pending = False
_sleep_ms = boardtime.sleep_ms


class Uninterrupted:
    """The block protocol over another device."""

    def __init__(self, device):
        self._device = device

    def readblocks(self, *arguments):
        return _finish(self._device.readblocks, arguments)

    def writeblocks(self, *arguments):
        return _finish(self._device.writeblocks, arguments)

    def ioctl(self, *arguments):
        return _finish(self._device.ioctl, arguments)


def _finish(operation, arguments):
    """Each may be done twice: a block gets the same content again."""
    global _is_pending
    while True:
        try:
            return operation(*arguments)
        except KeyboardInterrupt:
            _is_pending = True


def _take():
    global _is_pending
    if _is_pending:
        _is_pending = False
        raise KeyboardInterrupt


def sleep_ms(ms):
    _take()
    _sleep_ms(ms)


def sleep(seconds):
    sleep_ms(int(seconds * 1000))


def install():
    """Before anybody imports `time`."""
    boardtime.sleep_ms = sleep_ms
    boardtime.sleep = sleep
