"""Runs mosquitto as a child process, set up so that a device reaches only its own topics."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from tools import runtimes, wholefile
from tools.errors import ToolError
from tools.servers import mosquittoconf

HOST = "127.0.0.1"
START_LIMIT_S = 120
STOP_LIMIT_S = 20
START_ATTEMPTS = 10

class Broker:
    """`with Broker(folder, pki_dir) as broker:` listens for boards on host:broker.port by mutual TLS, and for
    servers of this machine on broker.servers_port.

    folder: for configuration and log. server: the stem of its certificate in pki_dir. plain:
    also listen without TLS on plain_port, where a client is whom its user name says.
    persistence: sessions and queued messages survive restart() and kill(). fleet: sized for many boards. A
    mosquitto that somebody else left behind in this folder is ended first.
    """

    def __init__(
        self,
        folder: Path,
        pki_dir: Path,
        port: int = 0,
        *,
        server: str = "broker",
        plain: bool = False,
        persistence: bool = False,
        topic_prefix: str = "wm_iot",
        host: str = HOST,
        fleet: bool = False,
        servers_port: int = 0,
    ) -> None:
        self.folder = folder.absolute()
        self.host = host
        self.port = port
        self.servers_port = self._servers_port = servers_port
        self.plain_port = 0
        self.log = self.folder / "mosquitto.log"
        self._pki_dir = pki_dir.absolute()
        self._server = server
        self._plain = plain
        self._persistence = persistence
        self._prefix = topic_prefix
        self._fleet = fleet
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Broker:
        attempts = 1 if self.port else START_ATTEMPTS
        for attempt in range(attempts):
            # Between finding a free port and using it another program may take it.
            self._choose_ports(self.port if attempts == 1 else free_port())
            try:
                self.start()
                return self
            except ToolError as error:
                if "in use" not in str(error) or attempt + 1 == attempts:
                    raise
        raise AssertionError("unreachable")

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Raises ToolError with the log's first error when mosquitto dies or stays mute."""
        end_leftover(self.folder)
        self._configure()
        environment = {**os.environ, "OPENSSL_CONF": str(self.folder / "openssl.cnf")}
        command = [*runtimes.mosquitto(), "-c", str(self.folder / "mosquitto.conf")]
        with open(self.log, "ab", opener=_private) as log:  # it names users
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # ^C ends the others first
            )  # fmt: skip
        self._wait_until_it_listens()

    def stop(self) -> None:
        """End it in order; sessions are saved if there is persistence."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it if it runs, and start it on the same ports with what is in the folder of keys now."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Connections stay up but nothing answers, until thaw()."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _choose_ports(self, port: int) -> None:
        self.port = port
        self.servers_port = self._servers_port or free_port()
        self.plain_port = free_port() if self._plain else 0

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._persistence:
            (self.folder / "sessions").mkdir(exist_ok=True)
        texts = mosquittoconf.files(
            self.folder, self._pki_dir, self._server,
            (self.host, self.port, self.servers_port, self.plain_port),
            prefix=self._prefix, persistence=self._persistence, fleet=self._fleet,
        )  # fmt: skip
        for name, text in texts.items():
            self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        wholefile.write(self.folder / name, text.encode(), 0o600)  # mosquitto warns if others can read it

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise ToolError(f"mosquitto ended at once: {self._first_problem()}")
            # Its own word, because on a taken port another program would accept connections.
            if " running" in self._log_text():
                return
            time.sleep(0.02)
        self.kill()
        raise ToolError(f"mosquitto did not listen within {START_LIMIT_S} s, see {self.log}")

    def _log_text(self) -> str:
        """What was logged since the last start."""
        return self.log.read_bytes()[self._log_start :].decode(errors="replace")

    def _first_problem(self) -> str:
        lines = self._log_text().strip().split("\n")
        problems = [line for line in lines if "Error" in line]
        return f"{(problems or lines[-1:])[0].strip()} (log: {self.log})"

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self.thaw()
        self._signal(how)
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_LIMIT_S)
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def end_leftover(folder: Path) -> None:
    """End the mosquitto of a server that was killed: it would hold the port, and the sessions."""
    deadline = time.monotonic() + STOP_LIMIT_S
    while pid := _leftover(folder.absolute()):
        how = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        time.sleep(0.05)


def _leftover(folder: Path) -> int:
    """Its process id, 0 = none."""
    try:
        pid = int((folder / "mosquitto.pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if str(folder / "mosquitto.conf").encode() in words else 0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
