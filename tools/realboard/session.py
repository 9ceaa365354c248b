"""A session on a board's serial line: interrupts what runs, runs code, reads what it answers. The only
importer of mpremote's serial transport.

A program that was interrupted may have started the hardware watchdog, which nothing can stop: from then on
the session feeds it.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from tools.cli import console
from tools.errors import ToolError
from tools.image import firmware
from tools.realboard import ports

ONBOARD = Path(__file__).resolve().parent / "onboard"
OPEN_LIMIT_S = 10
ENTER_LIMITS_S = (2, 5, 10)  # what was typed while the board booted is lost
ANSWER_LIMIT_S = 60
_FOUND_AGENT = "import sys\nprint('device.agent' in sys.modules)"
# ^C for what runs, ^A for the raw REPL, ^D behind what it is to run.
_INTERRUPT_AND_RESET = b"\r\x03\x03\r\x01import machine\nmachine.reset()\x04"


class BoardError(ToolError):
    """Code that ran on the board ended in an exception."""


class Session:
    """`with Session(port) as board: board.load("files"); board.call("digests", ["main.py"])`.

    The board starts anew at the end, however that comes. had_agent: it ran this project's agent before.
    """

    def __init__(self, port: str) -> None:
        self.port = port
        self.had_agent = False
        self._feed = ""
        self._transport: SerialTransport | None = None

    def __enter__(self) -> Session:
        try:
            self._transport = SerialTransport(self.port, timeout=OPEN_LIMIT_S)
        except (TransportError, OSError, ValueError) as error:
            raise ports.closed(self.port, error) from None
        try:
            self._take_over()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with contextlib.suppress(ToolError, TransportError, OSError):
            if kind is not None and issubclass(kind, KeyboardInterrupt):
                self._raw.serial.write(_INTERRUPT_AND_RESET)  # we cannot wait for the board
            else:
                self._reset()
        self._close()

    def load(self, name: str) -> None:
        """Define on the board the functions of onboard/<name>.py."""
        self.run((ONBOARD / f"{name}.py").read_text())

    def call(self, function: str, *arguments: Any, limit_s: float = ANSWER_LIMIT_S) -> Any:
        """Call a function that was loaded: what it returns, through JSON. Arguments: what repr() writes."""
        text = ", ".join(map(repr, arguments))
        answer = self.run(f"import json\nprint()\nprint(json.dumps({function}({text})))", limit_s)
        try:
            return json.loads(answer.splitlines()[-1])
        except (IndexError, ValueError):
            raise ToolError(f"{self.port} answers {answer[-80:]!r}: unplug the board, plug it in") from None

    def run(self, code: str, limit_s: float = ANSWER_LIMIT_S) -> str:
        """What the code prints. Raises BoardError with the last line of its traceback, ToolError if the board
        has fallen silent."""
        try:
            output, problem = self._raw.exec_raw(self._feed + code, timeout=limit_s)
        except (TransportError, OSError) as error:
            raise ToolError(f"{self.port} has fallen silent ({error}): check the cable, run again") from None
        if problem:
            text = firmware.short_names().restore(problem.decode(errors="replace"))
            lines = text.strip().splitlines()
            raise BoardError(console.clean(lines[-1]) if lines else "unknown error on the board")
        return output.decode(errors="replace")

    @property
    def _raw(self) -> SerialTransport:
        assert self._transport, "used outside of its with statement"
        return self._transport

    def _take_over(self) -> None:
        """Stop what runs, look what it was, and start with an empty heap, without main.py."""
        self._enter(soft_reset=False)
        self.had_agent = self.run(_FOUND_AGENT).split()[-1] == "True"
        self._enter(soft_reset=True)
        if self.had_agent:
            self.load("watchdog")
            if self.call("take_watchdog"):
                self._feed = "feed_watchdog()\n"

    def _enter(self, soft_reset: bool) -> None:
        """A board busy in C, with a TLS handshake say, hears ^C late."""
        failure: Exception | None = None
        for limit_s in ENTER_LIMITS_S:
            try:
                with contextlib.redirect_stdout(io.StringIO()):  # mpremote prints what it did not expect
                    self._raw.enter_raw_repl(soft_reset=soft_reset, timeout_overall=limit_s)
                return
            except (TransportError, serial.SerialException, OSError) as error:
                failure = error
        raise ToolError(
            f"no MicroPython prompt at {self.port} ({failure}): is MicroPython on the board, and no other "
            "program on the port? Press its reset button and run again"
        )

    def _reset(self) -> None:
        self._raw.exec_raw_no_follow("import machine\nmachine.reset()")

    def _close(self) -> None:
        if self._transport:
            with contextlib.suppress(OSError):
                self._transport.close()
            self._transport = None


