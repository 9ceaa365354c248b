"""MicroPython's own module, which the WebAssembly build hides behind a frozen one that differs from it."""

from ubinascii import *  # noqa: F403
