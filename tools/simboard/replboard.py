"""A simulated board with a serial line: what a real one has on its USB port, here on a TCP port.

mpremote and `deploy`, `doctor`, `provision` reach it as socket://127.0.0.1:PORT. The line outlives resets, as
that of a board with a USB bridge does.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

from tools.errors import ToolError
from tools.simboard.board import SimBoard

HOST = "127.0.0.1"
EXECUTING_WORD, INTERRUPT_WORD = 10, 11  # of the words in onboard/sharedmemory.py
INTERRUPT_LIMIT_S = 5.0
SEND_LIMIT_S = 60
_CTRL_C = b"\x03"
_POLL_S = 0.2


class ReplBoard(SimBoard):
    """`with ReplBoard(folder) as board: board.power_on()`; board.url is for mpremote."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder)
        if self.facts["runtime"] == "cpython":
            raise ToolError("only MicroPython has a REPL: take --runtime mp32 or mp64")
        self._stdin = subprocess.PIPE
        self._client: socket.socket | None = None
        self._listener = _listen(port)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"socket://{HOST}:{self.port}"
        self._stop = threading.Event()
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    @property
    def has_client(self) -> bool:
        return self._client is not None

    def unplug(self) -> None:
        """Pull the cable out: the client sees the port vanish."""
        client = self._client
        if client:
            client.shutdown(socket.SHUT_RDWR)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        super().__exit__()
        self._server.join(10)
        self._listener.close()

    def _write_host_paths(self) -> None:
        self.facts["repl"] = True
        super()._write_host_paths()

    def _boot_once(self) -> int:
        self._write_word(EXECUTING_WORD, 0)  # whatever ran has ended with the process
        return super()._boot_once()

    # From the board

    def _listen(self, console: IO[bytes]) -> None:
        rest = b""
        while data := os.read(console.fileno(), 4096):
            self._send(data.replace(b"\n", b"\r\n"))  # as a board does
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._take_line(line.decode(errors="replace").rstrip("\r"))

    def _send(self, data: bytes) -> None:
        client = self._client
        if client:
            try:
                client.sendall(data)
            except OSError:  # it has gone; what a board says then is lost
                self._client = None

    # To the board

    def _serve(self) -> None:
        """One client at a time, as a serial port has."""
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                continue
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.settimeout(SEND_LIMIT_S)
                self._client = client
                self._pass_on(client)
                self._client = None

    def _pass_on(self, client: socket.socket) -> None:
        while not self._stop.is_set():
            if not select.select([client], [], [], _POLL_S)[0]:
                continue
            try:
                data = client.recv(4096)
            except OSError:
                return
            if not data:
                return
            self._type(data)

    def _type(self, data: bytes) -> None:
        """^C interrupts what runs; where nothing runs it is a character like any other."""
        while data:
            piece, interrupt, data = data.partition(_CTRL_C)
            self._put(piece)
            if interrupt:
                self._interrupt()
                self._put(interrupt)

    def _interrupt(self) -> None:
        """Returns once the REPL reads again, so that it gets what was typed after ^C. A program that never
        looks at the clock is ended by a signal, which may spoil the interpreter."""
        deadline = time.monotonic() + INTERRUPT_LIMIT_S
        if self._is_executing():
            self._write_word(INTERRUPT_WORD, 1)
        while self._is_executing() and time.monotonic() < deadline:
            time.sleep(0.01)
        if self._is_executing() and self._process:
            self._process.send_signal(signal.SIGINT)

    def _is_executing(self) -> bool:
        return bool(self.counter(EXECUTING_WORD))

    def _put(self, data: bytes) -> None:
        process = self._process
        if not (data and process and process.stdin):
            return
        try:
            os.write(process.stdin.fileno(), data)
        except OSError:  # between two boots nobody reads
            pass


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        raise ToolError(f"port {port} cannot be had ({error.strerror}): choose another with --port") from None
    listener.listen(1)
    listener.settimeout(_POLL_S)
    return listener
