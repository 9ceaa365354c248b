"""`python3 -m tools serve` in a process of its own, for tests and measurements: its log says where it is."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools.cli.console import last_words
from tools.errors import ToolError
from tools.programs import cache
from tools.server.broker import end_leftover

START_LIMIT_S = 180
END_LIMIT_S = 60


class Served:
    """`with Served(folder, keys) as served:` is up: connected to its broker, on free ports unless options say
    otherwise. folder: of `serve`; keys: of `keys`."""

    def __init__(self, folder: Path, keys: Path, *options: str) -> None:
        self.folder = folder
        self.log = folder.with_name(f"{folder.name}-{time.monotonic_ns()}.log")
        ports = [f"--{name}-port=0" for name in ("mqtt", "servers", "https", "http")]
        self._arguments = [str(folder), "--keys", str(keys / "server"), "--plain", *ports, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Served:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)
        end_leftover(self.folder / "broker")  # of one that was killed

    def start(self) -> None:
        command = [sys.executable, "-m", "tools", "serve", *self._arguments]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=cache.REPO, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_LIMIT_S
        while not re.search(r"ota-server-\d: connected", self.said()):
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.end(signal.SIGKILL)
                raise ToolError(f"the server did not start: {last_words(self.said())}")
            time.sleep(0.05)

    def end(self, how: signal.Signals) -> int | None:
        """By Ctrl-C, SIGTERM or a power cut. Returns its exit code."""
        if self._process is None:
            return None
        process, self._process = self._process, None
        process.send_signal(how)
        try:
            return process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ToolError(f"the server did not end within {END_LIMIT_S} s") from None

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def broker_pid(self) -> int:
        return int((self.folder / "broker" / "mosquitto.pid").read_text())

    @property
    def mqtt_port(self) -> int:
        return int(self._find(r"broker mqtts://\S+:(\d+)"))

    @property
    def servers_port(self) -> int:
        return int(self._find(r"for servers mqtts://\S+:(\d+)"))

    @property
    def images(self) -> dict[str, str]:
        """By scheme, the URL of the folder."""
        return {scheme: self._find(rf"({scheme}://\S+/images)") for scheme in ("https", "http")}

    @property
    def page(self) -> str:
        """With the token behind #."""
        return self._find(r"page (https://\S+)")

    def _find(self, pattern: str) -> str:
        found = re.search(pattern, self.said())
        if not found:
            raise ToolError(f"the server does not say {pattern}: {last_words(self.said())}")
        return found[1]
