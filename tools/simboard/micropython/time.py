"""Shadows MicroPython's own `time` on the simulated board."""

from boardtime import *  # noqa: F403
