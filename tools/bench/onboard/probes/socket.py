"""Stands before MicroPython's own `socket` and says when a name is looked up."""

import usocket as _host
from usocket import *  # noqa: F403


def on_look_up(port):
    """The probe puts its own here."""


def getaddrinfo(host, port, *rest):
    on_look_up(port)
    return _host.getaddrinfo(host, port, *rest)
