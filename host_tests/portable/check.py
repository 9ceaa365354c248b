"""What a portable test needs besides `assert`: expected exceptions, patches, settings, steps."""

import sys

from device import config, errors, phases

MICROPYTHON = sys.implementation.name == "micropython"

_REQUIRED = {"wifi": [["net", "password"]], "broker": "mqtt://broker", "board": "test-board"}


def raises(expected, function, *arguments):
    """The exception of that class which function(*arguments) raises; AssertionError if none."""
    try:
        result = function(*arguments)
    except expected as error:
        return error
    raise AssertionError("%s returned %r" % (expected.__name__, result))


def raises_code(code, function, *arguments):
    """The OtaError with that code; AssertionError if there is none or it has another one."""
    error = raises(errors.OtaError, function, *arguments)
    assert error.code == code, "code %d, expected %d: %s" % (error.code, code, error.detail)
    return error


def run(generator, on_step=None):
    """Exhaust a generator and return what it returns; on_step(value) after each step."""
    while True:
        try:
            value = next(generator)
        except StopIteration as stop:
            return stop.value
        if on_step:
            on_step(value)


def settings(**changes):
    """A valid configuration."""
    values = dict(_REQUIRED)
    values.update(changes)
    return phases.call("config_table", "fill", config.Config(), values)  # gone again: the heap is small


class patched:
    """Context: an attribute of a module or object has another value."""

    def __init__(self, owner, name, value):
        self._owner = owner
        self._name = name
        self._value = value

    def __enter__(self):
        self._original = getattr(self._owner, self._name)
        setattr(self._owner, self._name, self._value)
        return self._value

    def __exit__(self, *_):
        setattr(self._owner, self._name, self._original)


class recorded_log:
    """Context: the log lines go into a list, which it returns."""

    def __enter__(self):
        from device import log

        self._patch = patched(log, "output", None)
        self._patch.__enter__()
        lines = []
        log.output = lines.append
        return lines

    def __exit__(self, *arguments):
        self._patch.__exit__(*arguments)
