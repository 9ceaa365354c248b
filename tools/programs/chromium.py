"""A headless Chromium for the test of the page: found or fetched, started, told what to do by DevTools."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import platform
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tools.errors import ToolError
from tools.programs import cache, debian

NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
PACKAGE = "chromium-headless-shell"
ROOM_MB = 800  # with the archives beside it
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
HINT = "no Chromium: on Debian `sudo apt install chromium`, or set CHROMIUM"
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
    "--hide-scrollbars",
)  # fmt: skip
START_LIMIT_S = 180
LIMIT_S = 120
TEXT = "document.body.innerText"
Result = TypeVar("Result")

# Chromium finds its data beside /proc/self/exe, which is the loader: so that stands beside the data. Its
# children are started by their path, not through the loader: by this script again.
STARTER = """\
#!/bin/sh
here=$(dirname "$(realpath "$0")")
libraries=$here/../{triplet}
export FONTCONFIG_SYSROOT=$here/../../..
exec "$here/loader" --library-path "$libraries:$libraries/pulseaudio:$here" "$here/{package}" \\
    --no-zygote --browser-subprocess-path="$here/start" "$@"
"""


def argv() -> list[str]:
    """What starts it: $CHROMIUM, the machine's own, or Debian's, unpacked into .cache."""
    given = shlex.split(os.environ.get("CHROMIUM", ""))
    found = [path for path in map(shutil.which, NAMES) if path]
    return given or found[:1] or [str(_fetched())]


def _fetched() -> Path:
    arch = ARCHITECTURES.get(platform.machine())
    if arch is None:
        raise ToolError(HINT)
    try:
        root = debian.unpacked(PACKAGE, arch, megabytes=ROOM_MB)
    except ToolError as error:
        raise ToolError(f"{HINT} ({error})") from None
    loader = debian.find(root, debian.LOADERS[arch])
    home = root / "usr" / "lib" / "chromium"
    with cache.lock("chromium"):
        if not (home / "start").exists():
            shutil.copy(loader.resolve(), home / "loader")
            draft = home / "start.draft"
            draft.write_text(STARTER.format(triplet=loader.parent.name, package=PACKAGE))
            draft.chmod(0o755)
            draft.rename(home / "start")
    return home / "start"


class Browser:
    """`with Browser(trusted=certificate) as browser:` has one empty page. trusted: of the server that it may
    talk to although its issuer is not a known authority. Waits are bounded: LIMIT_S."""

    def __init__(self, trusted: x509.Certificate, size: tuple[int, int] = (1160, 900)) -> None:
        public = trusted.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        pin = base64.b64encode(hashlib.sha256(public).digest()).decode()
        self._options = [f"--ignore-certificate-errors-spki-list={pin}", f"--window-size={size[0]},{size[1]}"]
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Browser:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            stack.callback(self._loop.close)
            command = [*argv(), *SWITCHES, *self._options, f"--user-data-dir={folder}", "about:blank"]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
            stack.callback(_end, process)
            self._wait(self._attach(_port(folder, process)))
            stack.callback(lambda: self._wait(self._session.close()))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise ToolError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, script: str, timeout_s: float = LIMIT_S) -> Any:
        """The value once it is true. Raises TimeoutError with the page's text."""
        deadline = time.monotonic() + timeout_s
        while not (value := self.evaluate(script)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout_s} s: {script}\n{self.evaluate(TEXT)}")
            time.sleep(0.1)
        return value

    def screenshot(self) -> bytes:
        """PNG of what is in the window."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    async def _attach(self, port: int) -> None:
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = [target for target in await answer.json() if target["type"] == "page"]
        self._socket = await self._session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        return self._wait(self._ask(method, parameters))

    async def _ask(self, method: str, parameters: dict[str, object]) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise ToolError(f"{method}: {answer['error']}")
                return answer["result"]

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(asyncio.wait_for(work, LIMIT_S))



def _port(folder: Path, process: subprocess.Popen) -> int:
    """Where its DevTools listen, which it writes down."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((folder / "DevToolsActivePort").read_text().split()[0])
        time.sleep(0.05)
    raise ToolError("Chromium did not start")


def _end(process: subprocess.Popen) -> None:
    """With all its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(LIMIT_S)
