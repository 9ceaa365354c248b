"""`os` of MicroPython's WebAssembly build, with what boards have and it has not."""

import random

from uos import *  # noqa: F403


def urandom(count):
    return bytes(random.getrandbits(8) for _ in range(count))
