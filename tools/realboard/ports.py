"""Which serial port: the one given, else the only board on USB; and why one cannot be opened."""

from __future__ import annotations

import grp
import os
from pathlib import Path

from serial.tools import list_ports

from tools.errors import ToolError


def choose(given: str | None) -> str:
    """A device path or a pyserial URL such as socket://127.0.0.1:2323. Raises ToolError."""
    if given:
        return given
    found = on_usb()
    if not found:
        raise ToolError("no board on USB: plug it in (a cable with data lines), or name its PORT")
    if len(found) > 1:
        raise ToolError(f"several boards on USB: name one of {', '.join(found)}")
    return found[0]


def on_usb() -> list[str]:
    return sorted(port.device for port in list_ports.comports() if port.vid is not None)


def closed(port: str, error: Exception) -> ToolError:
    """For a port that did not open, with the cure."""
    return ToolError(f"cannot open {port}: {_cause(port, error)}")


def _cause(port: str, error: Exception) -> str:
    path = Path(port)
    if port.startswith("socket://"):
        return "no connection: check HOST and PORT (`simboard --repl` listens at socket://127.0.0.1:2323)"
    if "://" in port:
        return f"{error}: a port is like /dev/ttyUSB0 or socket://HOST:PORT"
    if not path.exists():
        others = ", ".join(on_usb())
        return f"it is not there: {f'choose from {others}' if others else 'no board is on USB, plug it in'}"
    if not path.is_char_device():
        return "it is not a serial port: a port is like /dev/ttyUSB0"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"you may not use it: `sudo usermod -aG {_group(path)} $USER`, then log in anew"
    return (
        "it is there, but busy or broken: end other programs that may use it (mpremote, a serial monitor,"
        " ModemManager), or plug it in anew"
    )


def _group(path: Path) -> str:
    """dialout, on most systems."""
    number = path.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
