"""Which serial port: the one given, else the only board on USB."""

from __future__ import annotations

from serial.tools import list_ports

from tools.errors import ToolError


def choose(given: str | None) -> str:
    """A device path or a pyserial URL such as socket://127.0.0.1:2323. Raises ToolError."""
    if given:
        return given
    found = sorted(port.device for port in list_ports.comports() if port.vid is not None)
    if not found:
        raise ToolError("no board on USB: plug it in (a cable with data lines), or name its PORT")
    if len(found) > 1:
        raise ToolError(f"several boards on USB: name one of {', '.join(found)}")
    return found[0]
