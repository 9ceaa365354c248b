"""Runs mosquitto as a child process, set up so that a device reaches only its own topics."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.cli import wholefile
from tools.errors import ToolError
from tools.keys import identities, revocation
from tools.programs import runtimes
from tools.server import control, mosquittoconf, unprivileged
from tools.server.brokerlog import BrokerLog, private
from tools.server.ports import HOST, free_port

START_LIMIT_S = 120
STOP_LIMIT_S = 20
START_ATTEMPTS = 10
CONFIGURATION = "mosquitto.conf"


class Broker:
    """`with Broker(folder, pki_dir) as broker:` listens for boards on host:broker.port by mutual TLS, and for
    servers of this machine on broker.servers_port.

    folder: for configuration and log. server: the stem of its certificate in pki_dir. plain:
    also listen without TLS on plain_port, where a client is whom its user name says.
    persistence: sessions and queued messages survive restart() and kill(). boards: sized for so many, 0 = for
    one or two of a test. kept: topics that are kept for the server from the first moment on. A mosquitto that
    somebody else left behind in this folder is ended first.
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
        servers_port: int = 0,
        boards: int = 0,
        kept: Sequence[str] = (),
    ) -> None:
        self.folder = folder.absolute()
        self.host = host
        self.port = port
        self.servers_port = self._servers_port = servers_port
        self.plain_port = 0
        self.log = self.folder / "mosquitto.log"
        self.logged = BrokerLog(self.log)
        self.control = self.folder / "control.sock"
        self.user = unprivileged.user()
        self._pki_dir = pki_dir.absolute()
        self._plain = plain
        self._kept = kept
        self._setup = mosquittoconf.Setup(
            Path("tls") if self.user else self._pki_dir, server, (host, port, 0, 0), topic_prefix,
            persistence=persistence, boards=boards,
            user=self.user.pw_name if self.user else unprivileged.ROOT,
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Broker:
        end_leftover(self.folder)
        if self._kept and not (self.folder / "sessions" / "mosquitto.db").exists():
            self._begin_session()
        attempts = 1 if self.port else START_ATTEMPTS
        for attempt in range(attempts):
            # Between finding a free port and using it another program may take it.
            self._choose_ports(self.port if attempts == 1 else free_port(self.host))
            try:
                self.start()
                return self
            except ToolError as error:
                if "in use" not in str(error) or attempt + 1 == attempts:
                    raise
        raise AssertionError("unreachable")

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """0 = it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def ended(self) -> str:
        """How it ended, in words; "" while it runs."""
        code = self._process.poll() if self._process else None
        if code is None:
            return ""
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}: {self.logged.problem()}"

    def start(self) -> None:
        """Raises ToolError with the log's first error when mosquitto dies or stays mute."""
        end_leftover(self.folder)
        self._configure()
        with open(self.log, "ab", opener=private) as log:
            self.logged.begin()
            self._process = subprocess.Popen(
                [*runtimes.mosquitto(), "-c", CONFIGURATION], cwd=self.folder, stdin=subprocess.DEVNULL,
                env={**os.environ, "OPENSSL_CONF": "openssl.cnf"}, stdout=log, stderr=log,
                start_new_session=True,  # ^C ends the others first
            )  # fmt: skip
        self._wait_until_it_listens()

    def reload(self, denied: Iterable[str] | None = None) -> None:
        """Have it read anew who may do what, and its certificates; connections stay. denied: MACs that are
        not heard from now on."""
        if denied is not None:
            self._setup.denied = frozenset(denied)
        self._configure()
        self._signal(signal.SIGHUP)

    def save(self) -> None:
        """Have it write down sessions and what waits in them now, rather than at the next interval."""
        self._signal(signal.SIGUSR1)

    def stop(self) -> None:
        """End it in order; sessions are saved if there is persistence."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it if it runs, and start it on the same ports."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Connections stay up but nothing answers, until thaw()."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _begin_session(self) -> None:
        """Before any board can come: what has no subscriber is acknowledged, too, and gone."""
        self._setup.is_open = False
        self.start()
        try:
            control.begin_session(self.control, identities.login(self._pki_dir), self._kept)
        finally:
            self.stop()
        self._setup.is_open = True

    def _choose_ports(self, port: int) -> None:
        self.port = port
        self.servers_port = self._servers_port or free_port()
        self.plain_port = free_port() if self._plain else 0
        self._setup.place = (self.host, self.port, self.servers_port, self.plain_port)

    def _configure(self) -> None:
        """The one place that writes what mosquitto reads."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._setup.persistence:
            (self.folder / "sessions").mkdir(exist_ok=True)
        keys = self._pki_dir
        stems = (identities.SERVER_IDENTITY, *identities.answerers(keys))
        self._setup.users = tuple(identities.login(keys, stem).user for stem in stems)
        self._setup.has_lists = (keys / revocation.LISTS).exists()
        for name, text in mosquittoconf.files(self._setup).items():
            if (self.folder / name).is_symlink():  # the folder is the other user's
                (self.folder / name).unlink()
            wholefile.write(self.folder / name, text.encode(), 0o600)  # mosquitto warns if others can read it
        if self.user:
            unprivileged.copy(mosquittoconf.key_files(keys, self._setup.server), self.folder / "tls")
            unprivileged.give(self.folder, self.user)

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise ToolError(f"mosquitto ended at once: {self.logged.problem(0)} (log: {self.log})")
            # Its own word, because on a taken port another program would accept connections.
            if " running" in self.logged.text():
                return
            time.sleep(0.02)
        self.kill()
        raise ToolError(f"mosquitto did not listen within {START_LIMIT_S} s, see {self.log}")

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
        there = os.path.samefile(f"/proc/{pid}/cwd", folder)
    except (OSError, ValueError):
        return 0
    return pid if there and CONFIGURATION.encode() in words else 0

