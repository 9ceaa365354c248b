"""A clock that only the test moves, for the device's module `time`; starts just below the wrap."""

from device import clock

_MASK = (1 << 30) - 1
_START = (1 << 30) - 500

time = clock.time  # the module that device code gets when it imports `time`


class FakeTime:
    """Context. Time stands still but for `advance`."""

    def __enter__(self):
        self._real = time.ticks_ms
        self.elapsed_ms = 0
        time.ticks_ms = self._ticks_ms
        return self

    def __exit__(self, *_):
        time.ticks_ms = self._real

    def _ticks_ms(self):
        return (_START + self.elapsed_ms) & _MASK

    def advance(self, ms):
        """Also serves as on_step of check.run: a step's value is how long it may sleep."""
        self.elapsed_ms += ms or 0
