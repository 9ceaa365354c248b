"""TCP ports: a free one, or one that must be."""

from __future__ import annotations

import errno
import socket

from tools.errors import ToolError

HOST = "127.0.0.1"


def free_port(host: str = HOST) -> int:
    """One of this address that nobody uses just now."""
    with socket.socket(family(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def listener(host: str, port: int, option: str) -> socket.socket:
    """Raises ToolError that names the option by which another one is given."""
    try:
        return socket.create_server((host, port), family=family(host), backlog=256)
    except OSError as error:
        option = option if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--address"
        why = f"{error.strerror or error}; give another {option}"
        raise ToolError(f"cannot listen on {host}:{port}: {why}") from None


def family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
