"""Shadows MicroPython's own `socket` on the simulated board."""

from boardsocket import *  # noqa: F403
