"""Everything an update needs, on loopback: keys, broker, file server, NTP, operator and one board.

The demo plays on it, and so do the end-to-end tests.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from tools.image import firmware, signing
from tools.keys import keyfiles, pki
from tools.server.broker import Broker
from tools.server.files import HOST, FileServer
from tools.simboard.board import HANG_S, SimBoard
from tools.simboard.factory import create
from tools.testbed.ntp import NtpServer
from tools.testbed.operator import Message, Operator
from tools.testbed.proxy import FaultProxy

MAC = "286DCE32AF70"
BOARD = "sim"
WIFI = ("home", "correct horse")


class Testbed:
    """`with Testbed(folder, runtime="mp32") as testbed:` has the servers up and a board that is off.

    image: "esp32", "wm" or "raw"; boot_mode: "idf" or "w80x"; config: keys of ota.json to override,
    None as a value removes the key. proxies: the board reaches broker and file server through
    broker_proxy, https_proxy and http_proxy. board_options: see simboard.factory.create.
    """

    broker_proxy: FaultProxy
    https_proxy: FaultProxy
    http_proxy: FaultProxy

    def __init__(
        self,
        folder: Path,
        *,
        runtime: str = "mp32",
        image: str = "esp32",
        boot_mode: str = "idf",
        plain_mqtt: bool = False,
        config: dict | None = None,
        ntp: NtpServer | None = None,
        proxies: bool = False,
        **board_options: Any,
    ) -> None:
        self.folder = folder
        self.runtime = runtime
        self.image = image
        self.keys = folder / "keys"
        self.images = folder / "images"
        self._boot_mode = boot_mode
        self._plain_mqtt = plain_mqtt
        self._overrides = config or {}
        self._ntp = ntp or NtpServer()
        self._proxies = proxies
        self._board_options = board_options
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Testbed:
        with contextlib.ExitStack() as stack:
            self.images.mkdir(parents=True, exist_ok=True)
            if not self.keys.exists():
                pki.make_all(self.keys, [MAC])
            self.signing_key = keyfiles.read_key(self.keys / "sign.key.pem")
            self.ntp = stack.enter_context(self._ntp)
            self.broker = stack.enter_context(
                Broker(self.folder / "broker", self.keys, plain=self._plain_mqtt, persistence=True)
            )
            self.files = stack.enter_context(FileServer(self.images, self.keys))
            if self._proxies:
                self._enter_proxies(stack)
            self.operator = stack.enter_context(Operator(self.broker.servers_port, self.keys))
            self.board = stack.enter_context(self._make_board())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _enter_proxies(self, stack: contextlib.ExitStack) -> None:
        self.broker_proxy = stack.enter_context(FaultProxy(self._broker_port()))
        self.https_proxy = stack.enter_context(FaultProxy(self.files.https_port))
        self.http_proxy = stack.enter_context(FaultProxy(self.files.http_port))

    def _broker_port(self) -> int:
        return self.broker.plain_port if self._plain_mqtt else self.broker.port

    def _make_board(self) -> SimBoard:
        board = create(
            self.folder / "board",
            self.build("1.0.0"),
            self.configuration(),
            self.keys / "devices" / MAC,
            mac=MAC,
            runtime=self.runtime,
            boot_mode=self._boot_mode,
            networks={WIFI[0]: WIFI[1]},
            **self._board_options,
        )
        board.use_ntp(None, self.ntp.port)
        return board

    def configuration(self) -> dict:
        """The content of the board's ota.json."""
        scheme = "mqtt" if self._plain_mqtt else "mqtts"
        port = self.broker_proxy.port if self._proxies else self._broker_port()
        config = {
            "wifi": [list(WIFI)],
            "broker": f"{scheme}://localhost:{port}",
            "board": BOARD,
            "image": self.image,
            "require_rollback": self._boot_mode != "w80x",
            "ntp_hosts": ["127.0.0.1"],
            "backoff_max_s": 2,
        } | self._overrides
        return {key: value for key, value in config.items() if value is not None}

    def build(self, version: str, app: Path | None = None, next_key: bytes | None = None) -> bytes:
        """An image of this project's device code, as the board's interpreter can run it."""
        source = self.runtime == "cpython"
        return firmware.build_image(version, self.image, BOARD, source=source, app=app, next_key=next_key)

    def offer(
        self, image: bytes, version: str, transport: str = "https", expires: int | None = None, **changes: Any
    ) -> dict:
        """Put the image on the file server and make the offer for it. expires: Unix s, for a signed offer;
        changes: fields to override."""
        name = f"firmware-{version}.img"
        (self.images / name).write_bytes(image)
        http_url, https_url = self._urls(name)
        urls = {
            "http_url": http_url if transport in ("http", "both") else None,
            "https_url": https_url if transport in ("https", "both") else None,
        }
        return signing.offer(image, self.signing_key, version=version, expires=expires, **urls) | changes

    def _urls(self, name: str) -> tuple[str, str]:
        """(http, https) of a file on the file server, as the board is to reach it."""
        if not self._proxies:
            return self.files.http_url(name), self.files.https_url(name)
        return (
            f"http://{HOST}:{self.http_proxy.port}/{name}",
            f"https://{HOST}:{self.https_proxy.port}/{name}",
        )

    # What the server's side hears

    def wait_report(self, kind: str, timeout_s: float = HANG_S, since: int = 0) -> Message:
        """kind: "INIT" or "UPDATE"."""
        return self.operator.wait_for(
            lambda m: m.name == "firmware/report" and m.data.get("type") == kind, timeout_s, since
        )

    def wait_error(self, code: int, timeout_s: float = HANG_S, since: int = 0) -> Message:
        return self.operator.wait_for(lambda m: m.data.get("errorCode") == code, timeout_s, since)

    def push(self, offer: dict) -> None:
        self.operator.push(MAC, offer)
